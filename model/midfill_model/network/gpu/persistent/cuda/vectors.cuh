// A vector that a matrix is applied to: from L2 through shared memory into registers, 32 columns of each piece a lane.
//
// In shared memory it lies in four planes, the first with columns 0 to 7 of every unit, and so on: then neither those
// who write nor those who read meet in a bank.

template <int PLANE>
INLINE void put_columns(u32 x, int column, u32 a, u32 b) {  // four columns from a multiple of four on
  put2(x + (column >> 3 & 3) * PLANE + (column >> 5) * 16 + (column & 4) * 2, a, b);
}
template <int PLANE>
INLINE void take_unit(u32 *out, u32 x, int unit) {
#pragma unroll
  for (int j = 0; j < 4; j++) {
    uint4 q = shared4(x + j * PLANE + unit * 16);
    out[4 * j] = q.x, out[4 * j + 1] = q.y, out[4 * j + 2] = q.z, out[4 * j + 3] = q.w;
  }
}
template <int UNITS, int PIECES, int PLANE>
INLINE void take_x(u32 *out, u32 x, int lane) {
#pragma unroll
  for (int i = 0; i < PIECES; i++) {
    int unit = i * 32 + lane;
    take_unit<PLANE>(out + 16 * i, x, UNITS % 32 == 0 || unit < UNITS ? unit : 0);
  }
}
// A row's pieces from the ring, times x: this lane's share of the sum.
template <int UNITS, int PIECES, bool EIGHT>
INLINE float row_times(const Feed &feed, int first, u32 table, const u32 *x) {
  float sum = 0;
#pragma unroll
  for (int i = 0; i < PIECES; i++) {
    float s = unit_times<EIGHT>(feed.piece(first + i), table, x + 16 * i) * feed.maximum(first + i);
    sum += UNITS % 32 == 0 || i * 32 + feed.lane < UNITS ? s : 0.0f;
  }
  return sum;
}
// Four columns of the residual, or of the embedding before the first layer.
INLINE float4 residual4(const float *hidden, const u16 *embedding) {
  if (!embedding) return fresh4(hidden + 4 * threadIdx.x);
  uint2 raw = ((const uint2 *)embedding)[threadIdx.x];
  return make_float4(from_bf16(raw.x & 0xffff), from_bf16(raw.x >> 16), from_bf16(raw.y & 0xffff),
                     from_bf16(raw.y >> 16));
}
// x = h * gamma / rms in this lane's registers; returns 1 / rms. `between` runs after the first of two barriers.
template <class F>
INLINE float take_normed(u32 *x, const float *hidden, const u16 *embedding, uint2 gamma, Front &front,
                         float epsilon, const Feed &feed, F between) {
  int t = threadIdx.x;
  bool mine = D == 4 * THREADS || t < D / 4;
  float4 h = mine ? residual4(hidden, embedding) : make_float4(0, 0, 0, 0);
  float square = sum_of_warp(h.x * h.x + h.y * h.y + (h.z * h.z + h.w * h.w));
  if ((t & 31) == 0) front.squares[t >> 5] = square;
  __syncthreads();
  float total = 0;
#pragma unroll
  for (int i = 0; i < WARPS; i++) total += front.squares[i];
  float factor = rsqrtf(total / D + epsilon);
  u32 x_at = at_shared(front.x);
  if (mine)
    put_columns<PLANE_D>(
        x_at, 4 * t,
        pair(h.x * factor * from_bf16(gamma.x & 0xffff), h.y * factor * from_bf16(gamma.x >> 16)),
        pair(h.z * factor * from_bf16(gamma.y & 0xffff), h.w * factor * from_bf16(gamma.y >> 16)));
  between(factor);
  __syncthreads();
  take_x<UNITS_D, PIECES_D, PLANE_D>(x, x_at, feed.lane);
  return factor;
}
