// The best of the logits below the vocabulary's size, the lowest id of equals, and how likely it is.

#define INFINITY __int_as_float(0x7f800000)

struct Best {
  float highest, odds;
  int id;
  INLINE void add(const Best &o) {
    if (o.highest == -INFINITY) return;
    bool theirs = o.highest > highest || (o.highest == highest && o.id < id);
    float top = fmaxf(highest, o.highest);
    odds = odds * __expf(highest - top) + o.odds * __expf(o.highest - top);
    highest = top, id = theirs ? o.id : id;
  }
  INLINE void add_lanes() {
#pragma unroll
    for (int o = 16; o; o >>= 1)
      add({__shfl_xor_sync(~0u, highest, o), __shfl_xor_sync(~0u, odds, o), __shfl_xor_sync(~0u, id, o)});
  }
};

INLINE float4 as_floats(const Best &b) { return make_float4(b.highest, b.odds, __int_as_float(b.id), 0); }
INLINE Best from_floats(float4 f) { return {f.x, f.y, __float_as_int(f.z)}; }

// From the best of each lane that of the block, by way of `bests` [WARPS] in shared memory, to p.bests.
INLINE void leave_best(const Args &p, Best best, float4 *bests) {
  best.add_lanes();
  __syncthreads();
  if ((threadIdx.x & 31) == 0) bests[threadIdx.x >> 5] = as_floats(best);
  __syncthreads();
  if (threadIdx.x == 0) {
#pragma unroll 1
    for (int i = 1; i < WARPS; i++) best.add(from_floats(bests[i]));
    p.bests[blockIdx.x] = as_floats(best);
  }
}
// From the best of each block the token, and its log-probability: by the first warp of one block.
INLINE void tell_best(const Args &p) {
  Best best{-INFINITY, 0, 0};
#pragma unroll 1
  for (int b = threadIdx.x; b < (int)gridDim.x; b += 32) best.add(from_floats(__ldcg(p.bests + b)));
  best.add_lanes();
  if (threadIdx.x == 0) p.best[0] = best.id, p.best[1] = -(double)logf(best.odds);
}
