// One token through the network in one kernel: every SM has one block, and all meet at a barrier between stages.

extern "C" __global__ void __launch_bounds__(THREADS, 1) decode_step(const __grid_constant__ Args p) {
  extern __shared__ unsigned char memory[];
  const int t = threadIdx.x, lane = t & 31, warp = t >> 5;
  const u32 start = at_shared(memory), table_at = (start + 0xffff) & ~0xffffu, table = table_at + lane * 4;
  Front &front = *(Front *)(memory + ((start + 15) & ~15u) - start);
  Back &back = *(Back *)(memory + (table_at + 0x10000 - start));
  const u16 *embedding = p.embedding + p.state[5] * D;
  fill_table(table_at);
#pragma unroll 1
  for (int i = t; i < p.layer_count * (int)(sizeof(Layer) / 8); i += THREADS)
    ((u64 *)back.layers)[i] = ((const u64 *)p.layers)[i];
  if (t == 0) front.shares.divide();
  __syncthreads();
  const int first_row = front.shares.hidden.first, n_rows = front.shares.hidden.stop - first_row;
  if (t < n_rows) front.own[t] = from_bf16(embedding[first_row + t]);
  __syncthreads();

  const u32 ring = at_shared(back.ring) + warp * DEPTH * GROUP * 512 + lane * 16;
  const u32 maxima = gap(table, warp * DEPTH * GROUP);
  Feed feed{front, back.layers, p.head, p.head_max, ring, maxima, warp, lane, p.layer_count, once_policy()};
  const int n_positions = (int)p.state[2] + 1;
  Step step{p,         front,  feed,       Barrier{p.arrived, 0}, table_at, table, t, lane, warp,
            first_row, n_rows, n_positions};
  u16 *rows = p.anchor + p.state[0] * 8;
  const i64 rows_of_layer = p.state[1] * LATENT;
  step.feed.feed<1>();
  for (int layer = 0; layer < p.layer_count; layer++, rows += rows_of_layer) {
    const Layer &l = back.layers[layer];
    const bool dense = layer < DENSE_LAYERS;
    step.project(l, layer, embedding);
    step.absorb_queries(l, layer, rows);
    step.attend_share(l, layer, rows, dense);
    step.take_values(l, layer);
    step.add_output(l, layer, dense);
    step.mix(l, layer, dense);
    step.add_down(layer, dense);
  }
  step.finish();
}
