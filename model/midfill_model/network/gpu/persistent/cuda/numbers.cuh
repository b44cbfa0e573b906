// fp16 pairs, NF4, and the ways into shared memory. No header is needed, so none has to be installed.

INLINE u32 fma2(u32 a, u32 b, u32 c) {
  u32 d;
  asm("fma.rn.f16x2 %0,%1,%2,%3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}
INLINE u32 mul2(u32 a, u32 b) {
  u32 d;
  asm("mul.rn.f16x2 %0,%1,%2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}
INLINE u32 pair(float even, float odd) {
  u32 d;
  asm("cvt.rn.f16x2.f32 %0,%2,%1;" : "=r"(d) : "f"(even), "f"(odd));
  return d;
}
INLINE float even_of(u32 p) {
  float f;
  asm("{.reg .b16 l,h; mov.b32 {l,h},%1; cvt.f32.f16 %0,l;}" : "=f"(f) : "r"(p));
  return f;
}
INLINE float odd_of(u32 p) {
  float f;
  asm("{.reg .b16 l,h; mov.b32 {l,h},%1; cvt.f32.f16 %0,h;}" : "=f"(f) : "r"(p));
  return f;
}
INLINE u16 half_of(float f) {
  u16 h;
  asm("cvt.rn.f16.f32 %0,%1;" : "=h"(h) : "f"(f));
  return h;
}
INLINE float from_bf16(u32 bits) { return __uint_as_float(bits << 16); }
INLINE float within(float f, float largest) { return fminf(fmaxf(f, -largest), largest); }

INLINE u32 at_shared(const void *p) { return (u32)__cvta_generic_to_shared(p); }
INLINE u32 look(u32 at) {
  u32 v;
  asm("ld.shared.b32 %0,[%1];" : "=r"(v) : "r"(at));
  return v;
}  // the constant table
INLINE uint4 shared4(u32 at) {
  uint4 v;
  asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3},[%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "r"(at)
               : "memory");
  return v;
}
INLINE float shared1(u32 at) {
  float v;
  asm volatile("ld.shared.f32 %0,[%1];" : "=f"(v) : "r"(at) : "memory");
  return v;
}
INLINE void put4(u32 at, uint4 v) {
  asm volatile("st.shared.v4.b32 [%0],{%1,%2,%3,%4};" ::"r"(at), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w)
               : "memory");
}
INLINE void put2(u32 at, u32 a, u32 b) {
  asm volatile("st.shared.v2.b32 [%0],{%1,%2};" ::"r"(at), "r"(a), "r"(b) : "memory");
}
INLINE void put1(u32 at, float v) { asm volatile("st.shared.f32 [%0],%1;" ::"r"(at), "f"(v) : "memory"); }
// Weights are read once in a token: L2 gives them up first.
INLINE u64 once_policy() {
  u64 p;
  asm("createpolicy.fractional.L2::evict_first.b64 %0,1.0;" : "=l"(p));
  return p;
}
INLINE void copy16_once(u32 to, const void *from, u64 policy) {
  asm volatile("cp.async.cg.shared.global.L2::cache_hint.L2::128B [%0],[%1],16,%2;" ::"r"(to), "l"(from),
               "l"(policy)
               : "memory");
}
INLINE void copy16_or_zero(u32 to, const void *from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0],[%1],16,%2;" ::"r"(to), "l"(from), "r"(there ? 16 : 0)
               : "memory");
}
INLINE void copy4(u32 to, const void *from) {
  asm volatile("cp.async.ca.shared.global [%0],[%1],4;" ::"r"(to), "l"(from) : "memory");
}
INLINE void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
INLINE void wait_all() { asm volatile("cp.async.wait_all;" ::: "memory"); }  // whether committed or not
template <int N>
INLINE void wait_all_but() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}
INLINE void fetch_to_l2(const void *from, int bytes) {  // both multiples of 16
  asm volatile("cp.async.bulk.prefetch.L2.global [%0],%1;" ::"l"(from), "r"(bytes) : "memory");
}

// What other blocks have written is read from L2: L1 may hold what was there before.
INLINE float fresh(const float *p) { return __ldcg(p); }
INLINE float4 fresh4(const float *p) { return __ldcg((const float4 *)p); }

INLINE float sum_of_warp(float v) {
#pragma unroll
  for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(~0u, v, o);
  return v;
}
// The sum of `low` in lanes 0 to 15, that of `high` in the others.
INLINE float sums_of_warp(float low, float high) {
  bool upper = threadIdx.x & 16;
  float v = (upper ? high : low) + __shfl_xor_sync(~0u, upper ? low : high, 16);
#pragma unroll
  for (int o = 8; o; o >>= 1) v += __shfl_xor_sync(~0u, v, o);
  return v;
}

INLINE float four_sums_of_warp(float (&s)[4]) {  // that of s[lane / 8]
  bool upper = threadIdx.x & 16;
  float a = (upper ? s[2] : s[0]) + __shfl_xor_sync(~0u, upper ? s[0] : s[2], 16);
  float b = (upper ? s[3] : s[1]) + __shfl_xor_sync(~0u, upper ? s[1] : s[3], 16);
  upper = threadIdx.x & 8;
  float v = (upper ? b : a) + __shfl_xor_sync(~0u, upper ? a : b, 8);
#pragma unroll
  for (int o = 4; o; o >>= 1) v += __shfl_xor_sync(~0u, v, o);
  return v;
}

// NF4 by a table of 256 bytes -> two fp16 numbers, a copy for each bank: no two lanes of a warp ever meet. Entry b of
// lane l lies at b * 256 + l * 4 behind a multiple of 64 KB, so that one byte permutation makes the address.
__device__ const float CODE[16] = {NF4_CODE};
INLINE void fill_table(u32 table) {
#pragma unroll 1
  for (int i = threadIdx.x; i < 256 * 32; i += THREADS) {
    int b = i >> 5;
    u32 v = pair(CODE[b >> 4], CODE[b & 15]);
    asm volatile("st.shared.b32 [%0],%1;" ::"r"(table + b * 256 + (i & 31) * 4), "r"(v) : "memory");
  }
}
template <int BYTE>
INLINE u32 two_values(u32 word, u32 table_of_lane) {
  return look(__byte_perm(word, table_of_lane, 0x7604 | BYTE << 4));
}
// A word of eight columns times x[0..3], added to `sum`.
INLINE u32 add_word(u32 sum, u32 word, u32 table, const u32 *x) {
  sum = fma2(two_values<0>(word, table), x[0], sum);
  sum = fma2(two_values<1>(word, table), x[1], sum);
  sum = fma2(two_values<2>(word, table), x[2], sum);
  return fma2(two_values<3>(word, table), x[3], sum);
}
INLINE u32 word_times(u32 word, u32 table, const u32 *x) {
  u32 sum = mul2(two_values<0>(word, table), x[0]);
  sum = fma2(two_values<1>(word, table), x[1], sum);
  sum = fma2(two_values<2>(word, table), x[2], sum);
  return fma2(two_values<3>(word, table), x[3], sum);
}
// A unit times x[0..15], without absmax. EIGHT products, or four, are added up in fp16.
template <bool EIGHT>
INLINE float unit_times(uint4 q, u32 table, const u32 *x) {
  if (EIGHT) {
    u32 a = add_word(word_times(q.x, table, x), q.y, table, x + 4),
        b = add_word(word_times(q.z, table, x + 8), q.w, table, x + 12);
    return (even_of(a) + odd_of(a)) + (even_of(b) + odd_of(b));
  }
  u32 a = word_times(q.x, table, x), b = word_times(q.y, table, x + 4), c = word_times(q.z, table, x + 8),
      d = word_times(q.w, table, x + 12);
  return ((even_of(a) + odd_of(a)) + (even_of(b) + odd_of(b))) +
         ((even_of(c) + odd_of(c)) + (even_of(d) + odd_of(d)));
}
