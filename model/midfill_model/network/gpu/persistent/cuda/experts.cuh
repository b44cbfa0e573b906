// The choice of experts: every block makes it, from the parts of the router's logits that all blocks have left.

// Each warp's part of the logits, not yet divided by the root mean square: [WARPS, E] into `sums`.
INLINE void add_scores(const Args &p, float *sums) {
  constexpr int QUADS = E / 4, GROUPS = THREADS / QUADS, ROUNDS = (MOST_BLOCKS + GROUPS - 1) / GROUPS;
  int quad = threadIdx.x % QUADS, group = threadIdx.x / QUADS;
  float4 v[ROUNDS], sum = make_float4(0, 0, 0, 0);
#pragma unroll
  for (int i = 0; i < ROUNDS; i++) {
    int b = group + i * GROUPS;
    v[i] = b < (int)gridDim.x ? fresh4(p.scores + b * E + quad * 4) : make_float4(0, 0, 0, 0);
  }
#pragma unroll
  for (int i = 0; i < ROUNDS; i++) sum.x += v[i].x, sum.y += v[i].y, sum.z += v[i].z, sum.w += v[i].w;
#pragma unroll
  for (int o = 16; o >= QUADS; o >>= 1) {
    sum.x += __shfl_xor_sync(~0u, sum.x, o), sum.y += __shfl_xor_sync(~0u, sum.y, o);
    sum.z += __shfl_xor_sync(~0u, sum.z, o), sum.w += __shfl_xor_sync(~0u, sum.w, o);
  }
  if ((threadIdx.x & 31) < QUADS) ((float4 *)sums)[(threadIdx.x >> 5) * QUADS + quad] = sum;
}
// The TOP experts of front.logits, the lower one of equals first, and their weights.
INLINE void choose(Front &front, float routed_scale) {  // eight threads an expert
  int t = threadIdx.x, expert = t >> 3, rank = 0;
  if (t >= E * 8) return;
  float logit = front.logits[expert], odds = 0;
#pragma unroll
  for (int i = 0; i < E / 8; i++) {
    int other = (t & 7) * (E / 8) + i;
    float their = front.logits[other];
    rank += their > logit || (their == logit && other < expert);
    odds += __expf(their - logit);
  }
#pragma unroll
  for (int o = 4; o; o >>= 1) {
    rank += __shfl_xor_sync(~0u, rank, o);
    odds += __shfl_xor_sync(~0u, odds, o);
  }
  if ((t & 7) == 0 && rank < TOP) front.chosen[rank] = expert, front.weights[rank] = routed_scale / odds;
}
