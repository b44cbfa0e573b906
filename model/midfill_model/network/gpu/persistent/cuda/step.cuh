// The stages of a layer, each from what all blocks have left before to what all will need next. What a stage can load
// before the others are done, it loads between `arrive`, the end of the stage before, and `wait`.

#ifdef PROFILE
constexpr int MARKS = 20;  // a layer
#define MARK(layer, i) \
  if (threadIdx.x == 0) p.clocks[((i64)blockIdx.x * (LAYERS + 1) + (layer)) * MARKS + (i)] = clock64()
#else
#define MARK(layer, i)
#endif

INLINE uint2 four_of(const u16 *norm) {
  return D == 4 * THREADS || threadIdx.x < D / 4 ? ((const uint2 *)norm)[threadIdx.x] : make_uint2(0, 0);
}

struct Step {
  const Args &p;
  Front &front;
  Feed feed;
  Barrier barrier;
  u32 table_at, table;  // of all lanes, and of this one
  int t, lane, warp;
  int first_row, n_rows;  // of the residual: the block's
  int n_positions;
  u32 x[16 * PIECES_D];

  // 1. Latent, rotated key and queries: a matrix times the normed residual. Two rows of it a warp.
  INLINE void project(const Layer &l, int layer, const u16 *embedding) {
    uint2 gamma = four_of(l.norm);
    if (layer) barrier.wait();
    MARK(layer, 0);
    take_normed(x, p.hidden, layer ? nullptr : embedding, gamma, front, p.epsilon, feed, [](float) {});
    MARK(layer, 1);
#pragma unroll 1
    for (int row = front.shares.inputs.first + warp * 2, stop = front.shares.inputs.stop;; row += WARPS * 2) {
      feed.feed<1 | 2 | 4 | 8>();
      if (row >= stop) break;
      int at = row + (lane >> 4);
      float sum = two_rows(row + 1 < stop);
      if ((lane & 15) == 0 && at < stop) p.y[at] = sum;
    }
    MARK(layer, 2);
    barrier.arrive();
  }
  // The oldest group's two rows times x: the first one's sum in lanes 0 to 15, the other's in the rest.
  INLINE float two_rows(bool both) {
    feed.acquire();
    float a = row_times<UNITS_D, PIECES_D, true>(feed, 0, table, x), b = 0;
    if (both) b = row_times<UNITS_D, PIECES_D, true>(feed, PIECES_D, table, x);
    feed.release();
    return sums_of_warp(a, b);
  }

  // 2. Queries of the latents; the token's row of the cache. Other rows come into shared memory meanwhile.
  INLINE void absorb_queries(const Layer &l, int layer, u16 *rows) {
    const int newest = n_positions - 1, first = blockIdx.x * TILE;
    if (first < n_positions) fetch_tile(at_shared(front.tile), rows, blockIdx.x, n_positions, newest);
    Words words = absorb_words(l, blockIdx.x);
    barrier.wait();
    MARK(layer, 3);
    for (int task = blockIdx.x; task < ABSORB_TASKS; task += gridDim.x) {
      if (task < ABSORBING) {
        if (task >= (int)gridDim.x) words = absorb_words(l, task);
        absorb(p, task, words, table, at_shared(front.x));
      } else if (task == ABSORBING) {
        turn_queries(p, newest);
      } else {
        write_row(p, l, rows + (i64)newest * LATENT, newest, front);
      }
    }
    MARK(layer, 4);
    barrier.arrive();
  }

  // 3. Attention over this block's share of the positions. Memory has little to do: stage 7's known part comes to L2.
  INLINE void attend_share(const Layer &l, int layer, const u16 *rows, bool dense) {
    if (SHARED * UNITS_I % 8 == 0 && t == THREADS - 1 && !dense) {  // it takes multiples of 16 bytes
      const int row_units = SHARED * UNITS_I, first = E * D * UNITS_I + first_row * row_units;
      fetch_to_l2(l.down + first, n_rows * row_units * 16);
      fetch_to_l2(l.down_max + first / 2, n_rows * row_units * 2);
    }
    barrier.wait();
    MARK(layer, 5);
    attend(p, rows, n_positions, front, table_at);
    MARK(layer, 6);
    barrier.arrive();
  }

  // 4. The shares together, and up to the heads' values.
  INLINE void take_values(const Layer &l, int layer) {
    const int n_tiles = (n_positions + TILE - 1) / TILE;
    ValueWords words = value_words(l, blockIdx.x);
    barrier.wait();
    MARK(layer, 7);
    for (int task = blockIdx.x; task < VALUE_TASKS; task += gridDim.x) {
      if (task >= (int)gridDim.x) words = value_words(l, task);
      values(p, task, words, min(n_tiles, (int)gridDim.x), front, table);
    }
    MARK(layer, 8);
    barrier.arrive();
  }

  // 5. The values' part of the residual, a row a warp; and what the block's rows give to the router's logits.
  INLINE void add_output(const Layer &l, int layer, bool dense) {
    const int expert = t >> 3;  // eight threads each
    const bool routes = !dense && t < E * 8;
    const u16 *of_expert = l.router + expert * D + first_row;
    float norm_of_row = t < n_rows ? from_bf16(l.mlp_norm[first_row + t]) : 0;
    u32 router[2];  // of rows 0 to 15
#pragma unroll
    for (int i = 0; i < 2; i++)
      router[i] = routes && (t & 7) + 8 * i < n_rows ? of_expert[(t & 7) + 8 * i] : 0;
    barrier.wait();
    MARK(layer, 9);
    take_attended();
    MARK(layer, 10);
#pragma unroll 1
    for (int row = warp;; row += WARPS) {
      if (!feed.count) feed.feed<2>();
      if (row >= n_rows) break;
      feed.acquire();
      float sum = row_times<UNITS_V, PIECES_V, false>(feed, 0, table, x);
      feed.release();
      sum = sum_of_warp(sum);
      if (lane == 0) add_to_residual(row, sum);
    }
    if (!dense) {
      __syncthreads();
      if (t < n_rows) front.next[t] = front.own[t] * norm_of_row;
      __syncthreads();
      float score = 0;
#pragma unroll
      for (int i = 0; i < 2; i++)
        score += (t & 7) + 8 * i < n_rows ? front.next[(t & 7) + 8 * i] * from_bf16(router[i]) : 0;
      if (routes)
        for (int row = (t & 7) + 16; row < n_rows; row += 8)
          score += front.next[row] * from_bf16(of_expert[row]);
#pragma unroll
      for (int o = 4; o; o >>= 1) score += __shfl_xor_sync(~0u, score, o);
      if (routes && (t & 7) == 0) p.scores[blockIdx.x * E + expert] = score;
    }
    MARK(layer, 11);
    barrier.arrive();
  }
  INLINE void take_attended() {  // x = the sum of the slices' values
    if (HEADS * VALUE == 4 * THREADS || t < HEADS * VALUE / 4) {
      float4 v = fresh4(p.attended + 4 * t);
#pragma unroll
      for (int i = 1; i < SLICES; i++) {
        float4 w = fresh4(p.attended + i * HEADS * VALUE + 4 * t);
        v.x += w.x, v.y += w.y, v.z += w.z, v.w += w.w;
      }
      u32 low = pair(within(v.x, LARGEST_OF_FOUR), within(v.y, LARGEST_OF_FOUR));
      put_columns<PLANE_V>(at_shared(front.x), 4 * t, low,
                           pair(within(v.z, LARGEST_OF_FOUR), within(v.w, LARGEST_OF_FOUR)));
    }
    __syncthreads();
    take_x<UNITS_V, PIECES_V, PLANE_V>(x, at_shared(front.x), lane);
  }
  INLINE void add_to_residual(int row, float sum) {
    float h = front.own[row] + sum * (1 / SMALLER);
    front.own[row] = h;
    p.hidden[first_row + row] = h;
  }

  // 6. The experts, and silu(gate) * up of each: a pair of rows a warp.
  INLINE void mix(const Layer &l, int layer, bool dense) {
    uint2 gamma = four_of(l.mlp_norm);
    barrier.wait();
    MARK(layer, 12);
    float *sums = (float *)front.tile;
    if (!dense) add_scores(p, sums);
    take_normed(x, p.hidden, nullptr, gamma, front, p.epsilon, feed, [&](float factor) {
      if (!dense && t < E) {
        float logit = 0;
#pragma unroll
        for (int i = 0; i < WARPS; i++) logit += sums[i * E + t];
        front.logits[t] = logit * factor;
      }
    });
    MARK(layer, 13);
    if (!dense) {
      choose(front, p.routed_scale);
      __syncthreads();
      feed.chosen = layer;
    }
    MARK(layer, 14);
#pragma unroll 1
    for (int index = 0;; index++) {
      feed.feed<4>();
      int pair = feed.pair_of(index, layer);
      if (pair < 0) break;
      float gate = two_rows(true), up = __shfl_xor_sync(~0u, gate, 16);
      if (lane == 0) {
        float weight = dense || pair >= TOP * I ? 1.0f : front.weights[pair / I];
        p.act[pair] = half_of(within(gate / (1.0f + __expf(-gate)) * up * weight * SMALLER, LARGEST_OF_FOUR));
      }
    }
    MARK(layer, 15);
    barrier.arrive();
  }

  // 7. Down, added to the residual: a piece of four rows a warp.
  INLINE void add_down(int layer, bool dense) {
    const int n_units = dense ? UNITS_DENSE : UNITS_MOE;
    const u32 x_at = at_shared(front.x);
    float *sums_of_pieces = (float *)front.tile;
    barrier.wait();
    MARK(layer, 16);
    for (int i = t; i < n_units * 4; i += THREADS)
      put4(x_at + (i & 3) * PLANE_I + (i >> 2) * 16, __ldcg((const uint4 *)p.act + i));
    __syncthreads();
    MARK(layer, 17);
#pragma unroll 1
    for (int index = 0;; index++) {
      feed.feed<1 | 8 | 16>();
      int piece, row;
      if (!feed.find_down(index, dense, piece, row)) break;
      feed.acquire();
      const int unit = piece * 32 + lane;
      u32 columns[16];
      take_unit<PLANE_I>(columns, x_at, unit < n_units ? unit : 0);
      float sums[GROUP] = {};
#pragma unroll
      for (int i = 0; i < GROUP; i++)
        if (row + i < n_rows && unit < n_units)
          sums[i] = unit_times<false>(feed.piece(i), table, columns) * feed.maximum(i);
      feed.release();
      float sum = four_sums_of_warp(sums);
      if ((lane & 7) == 0) sums_of_pieces[piece * OWN_ROWS + row + (lane >> 3)] = sum;
    }
    __syncthreads();
    if (t < n_rows) {
      float sum = 0;
      for (int i = 0; i * 32 < n_units; i++) sum += sums_of_pieces[i * OWN_ROWS + t];
      add_to_residual(t, sum);
    }
    MARK(layer, 18);
    barrier.arrive();
  }

  // After the last layer: the logits, two a warp, and the best of them.
  INLINE void finish() {
    const int vocabulary = (int)p.state[3];
    uint2 gamma = four_of(p.norm);
    barrier.wait();
    MARK(LAYERS, 0);
    take_normed(x, p.hidden, nullptr, gamma, front, p.epsilon, feed, [](float) {});
    Best best{-INFINITY, 0, 0};
#pragma unroll 1
    for (int row = front.shares.head.first + warp * 2, stop = front.shares.head.stop;; row += WARPS * 2) {
      feed.feed<8 | 16>();
      if (row >= stop) break;
      float logit = two_rows(row + 1 < stop);
      int id = row + (lane >> 4);
      if ((lane & 15) == 0 && id < stop) {
        p.logits[id] = logit;
        if (id < vocabulary) best.add({logit, 1, id});
      }
    }
    leave_best(p, best, (float4 *)front.x);
    MARK(LAYERS, 1);
    barrier.arrive();
    if (blockIdx.x) return;
    barrier.wait();
    if (t < 32) tell_best(p);
    if (t == 0) *p.arrived = 0;  // nobody looks at it any more
  }
};
