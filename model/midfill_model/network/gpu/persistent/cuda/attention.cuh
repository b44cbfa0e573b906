// Attention of one token over the latent cache: queries go down to the latents, values come up from them.

INLINE void matrix4(u32 *a, u32 at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3},[%4];"
               : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
               : "r"(at)
               : "memory");
}
INLINE void matrix2(u32 *b, u32 at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1},[%2];"
               : "=r"(b[0]), "=r"(b[1])
               : "r"(at)
               : "memory");
}
INLINE void matrix2_turned(u32 *b, u32 at) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1},[%2];"
               : "=r"(b[0]), "=r"(b[1])
               : "r"(at)
               : "memory");
}
INLINE void multiply(float *c, const u32 *a, const u32 *b) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Absorption: queries of the latents, q [H, R] = scale * the plain queries times K, 64 columns of a head a task; then
// a task that turns all rotated queries, and one that writes the token's row of the cache.
constexpr int ABSORBING = HEADS * (R / 64), ABSORB_TASKS = ABSORBING + 2, ROUNDS = (PLAIN + 63) / 64;

struct Words {  // of a task, loaded before the queries are there
  u32 word[ROUNDS];
  float max[ROUNDS];
};
INLINE Words absorb_words(const Layer &l, int task) {
  Words w;
  int head = task / (R / 64), part = task % (R / 64), t = threadIdx.x;
#pragma unroll
  for (int i = 0; i < ROUNDS; i++) {
    int plain = (t >> 3) + 64 * i;
    bool there = task < ABSORBING && plain < PLAIN;
    i64 row = head * HEAD_ROWS + plain;
    w.word[i] = there ? __ldcs(l.key_value + row * (R / 8) + part * 8 + (t & 7)) : 0;
    w.max[i] = there ? __ldcs(l.key_value_max + row * (R / 64) + part) : 0;
  }
  return w;
}
INLINE void absorb(const Args &p, int task, const Words &w, u32 table, u32 x) {
  int head = task / (R / 64), part = task % (R / 64), t = threadIdx.x;
  const float *query = p.y + LATENT + head * (PLAIN + ROPE);
  float sums[8] = {};
#pragma unroll
  for (int i = 0; i < ROUNDS; i++) {
    int plain = (t >> 3) + 64 * i;
    float factor = plain < PLAIN ? fresh(query + plain) * w.max[i] * p.softmax_scale : 0;
    u32 v[4] = {two_values<0>(w.word[i], table), two_values<1>(w.word[i], table),
                two_values<2>(w.word[i], table), two_values<3>(w.word[i], table)};
#pragma unroll
    for (int j = 0; j < 4; j++)
      sums[2 * j] += even_of(v[j]) * factor, sums[2 * j + 1] += odd_of(v[j]) * factor;
  }
#pragma unroll
  for (int i = 0; i < 8; i++) {
    sums[i] += __shfl_xor_sync(~0u, sums[i], 16);
    sums[i] += __shfl_xor_sync(~0u, sums[i], 8);
  }
  if ((t & 31) < 8) {
    u32 at = x + (t >> 5) * 256 + (t & 7) * 32;
    put4(at, make_uint4(__float_as_uint(sums[0]), __float_as_uint(sums[1]), __float_as_uint(sums[2]),
                        __float_as_uint(sums[3])));
    put4(at + 16, make_uint4(__float_as_uint(sums[4]), __float_as_uint(sums[5]), __float_as_uint(sums[6]),
                             __float_as_uint(sums[7])));
  }
  __syncthreads();
  if (t < 64) {
    float sum = 0;
#pragma unroll
    for (int i = 0; i < WARPS; i++) sum += shared1(x + i * 256 + t * 4);
    p.queries[head * LATENT + part * 64 + t] = half_of(within(sum, 65504.0f));
  }
  __syncthreads();
}
INLINE void turn(const Args &p, const float *from, u16 *to, int pair, i64 position, float scale) {
  float cos = p.cos[position * (ROPE / 2) + pair], sin = p.sin[position * (ROPE / 2) + pair];
  float even = fresh(from + 2 * pair) * scale, odd = fresh(from + 2 * pair + 1) * scale;
  to[2 * pair] = half_of(within(even * cos - odd * sin, 65504.0f));
  to[2 * pair + 1] = half_of(within(even * sin + odd * cos, 65504.0f));
}
INLINE void turn_queries(const Args &p, i64 position) {
  for (int i = threadIdx.x; i < HEADS * (ROPE / 2); i += THREADS) {
    int head = i / (ROPE / 2);
    turn(p, p.y + LATENT + head * (PLAIN + ROPE) + PLAIN, p.queries + head * LATENT + R, i % (ROPE / 2),
         position, p.softmax_scale);
  }
}
INLINE void write_row(const Args &p, const Layer &l, u16 *row, i64 position, Front &front) {
  int t = threadIdx.x;
  float latent = t < R ? fresh(p.y + t) : 0;
  float square = sum_of_warp(latent * latent);
  if ((t & 31) == 0) front.squares[t >> 5] = square;
  __syncthreads();
  float total = 0;
#pragma unroll
  for (int i = 0; i < WARPS; i++) total += front.squares[i];
  if (t < R)
    row[t] = half_of(within(latent * rsqrtf(total / R + 1e-6f) * from_bf16(l.latent_norm[t]), 65504.0f));
  if (t < ROPE / 2) turn(p, p.y + R, row + R, t, position, 1.0f);
}

// The rows of a tile into shared memory; zeros from `stop` on, since what the cache holds there may be NaN. The row
// `later` is left out.
INLINE void fetch_tile(u32 tile_at, const u16 *rows, int tile, int stop, int later) {
  for (int i = threadIdx.x; i < TILE * (LATENT / 8); i += THREADS) {
    int row = i / (LATENT / 8), column = i % (LATENT / 8) * 8, position = tile * TILE + row;
    bool there = position < stop;
    if (position == later) continue;
    copy16_or_zero(tile_at + (row * TILE_ROW + column) * 2,
                   rows + (i64)(there ? position : 0) * LATENT + column, there);
  }
}
// This block's tiles of the positions: softmax-weighted latents [H, R], maximum and sum of each head.
INLINE void attend(const Args &p, const u16 *rows, int n_positions, Front &front, u32 table_at) {
  const int t = threadIdx.x, lane = t & 31, warp = t >> 5, n_tiles = (n_positions + TILE - 1) / TILE;
  const u32 tile_at = at_shared(front.tile), q_at = at_shared(front.x);
  if ((int)blockIdx.x >= n_tiles) return;
  constexpr int QUERY_ROUNDS = (16 * (LATENT / 8) + THREADS - 1) / THREADS;
  uint4 q[QUERY_ROUNDS];
#pragma unroll
  for (int i = 0; i < QUERY_ROUNDS; i++) {
    int at = t + i * THREADS;
    q[i] = at < HEADS * (LATENT / 8) ? __ldcg((const uint4 *)p.queries + at) : make_uint4(0, 0, 0, 0);
  }
#pragma unroll
  for (int i = 0; i < QUERY_ROUNDS; i++) {
    int at = t + i * THREADS, head = at / (LATENT / 8), column = at % (LATENT / 8) * 8;
    if (head < 16) put4(q_at + (head * TILE_ROW + column) * 2, q[i]);
  }
  const int newest = n_positions - 1, first = blockIdx.x * TILE;
  if (newest >= first && newest < first + TILE && t < LATENT / 8)  // the row that this step has written
    put4(tile_at + ((newest - first) * TILE_ROW + t * 8) * 2,
         __ldcg((const uint4 *)(rows + (i64)newest * LATENT + t * 8)));
  constexpr int STEPS = LATENT / 16, TILES_OF_WARP = (R / 8 + WARPS - 1) / WARPS, WEIGHT_ROW = TILE + 8;
  u16 *weights = front.softmax;
  const u32 weights_at = at_shared(weights);
  float mixed[TILES_OF_WARP][4] = {}, top = -1e30f, total = 0;
  for (int tile = blockIdx.x; tile < n_tiles; tile += gridDim.x) {
    if (tile >= (int)gridDim.x) {
      __syncthreads();
      fetch_tile(tile_at, rows, tile, n_positions, -1);
    }
    wait_all();  // also for the weights of the next stages, which were asked for long ago
    __syncthreads();
    {  // scores: eight positions and a quarter of the columns a warp
      float c[4] = {};
      int columns = warp & 3, quarter = warp >> 2;
#pragma unroll 3
      for (int k = quarter * STEPS / 4; k < (quarter + 1) * STEPS / 4; k++) {
        u32 a[4], b[2];
        matrix4(a, q_at + ((lane & 15) * TILE_ROW + k * 16 + (lane >> 4) * 8) * 2);
        matrix2(b, tile_at + ((columns * 8 + (lane & 7)) * TILE_ROW + k * 16 + (lane >> 3 & 1) * 8) * 2);
        multiply(c, a, b);
      }
      int row = lane >> 2, column = columns * 8 + (lane & 3) * 2;
      put2(gap(table_at, 192 + quarter * 16 + row) + column * 4, __float_as_uint(c[0]),
           __float_as_uint(c[1]));
      put2(gap(table_at, 192 + quarter * 16 + row + 8) + column * 4, __float_as_uint(c[2]),
           __float_as_uint(c[3]));
    }
    __syncthreads();
    {  // softmax: a head a warp, a position a lane
      float score = 0;
#pragma unroll
      for (int i = 0; i < 4; i++) score += shared1(gap(table_at, 192 + i * 16 + warp) + lane * 4);
      if (tile * TILE + lane >= n_positions) score = -1e30f;
      float higher = score;
#pragma unroll
      for (int o = 16; o; o >>= 1) higher = fmaxf(higher, __shfl_xor_sync(~0u, higher, o));
      higher = fmaxf(higher, top);
      float weight = tile * TILE + lane < n_positions ? __expf(score - higher) : 0,
            shrink = __expf(top - higher);
      total = total * shrink + sum_of_warp(weight);
      top = higher;
      weights[warp * WEIGHT_ROW + lane] = half_of(weight);
      if (lane == 0) front.shrink[warp] = shrink;
    }
    __syncthreads();
    {  // weighted latents: R / 16 columns a warp
      float low = front.shrink[lane >> 2], high = front.shrink[(lane >> 2) + 8];
      u32 a[2][4];
#pragma unroll
      for (int k = 0; k < 2; k++)
        matrix4(a[k], weights_at + ((lane & 15) * WEIGHT_ROW + k * 16 + (lane >> 4) * 8) * 2);
#pragma unroll
      for (int i = 0; i < TILES_OF_WARP; i++) {
        int column = (warp * TILES_OF_WARP + i) * 8;
        if (R / 8 % WARPS && column >= R) break;
        mixed[i][0] *= low, mixed[i][1] *= low, mixed[i][2] *= high, mixed[i][3] *= high;
#pragma unroll
        for (int k = 0; k < 2; k++) {
          u32 b[2];
          matrix2_turned(b, tile_at + ((k * 16 + (lane & 15)) * TILE_ROW + column) * 2);
          multiply(mixed[i], a[k], b);
        }
      }
    }
  }
  float *out = p.parts + (i64)blockIdx.x * HEADS * R;
  int row = lane >> 2;
#pragma unroll
  for (int i = 0; i < TILES_OF_WARP; i++) {
    int column = (warp * TILES_OF_WARP + i) * 8 + (lane & 3) * 2;
    if (R / 8 % WARPS && column >= R) break;
    if (row < HEADS) *(float2 *)(out + row * R + column) = make_float2(mixed[i][0], mixed[i][1]);
    if (row + 8 < HEADS) *(float2 *)(out + (row + 8) * R + column) = make_float2(mixed[i][2], mixed[i][3]);
  }
  if (lane == 0 && warp < HEADS) p.told[warp * gridDim.x + blockIdx.x] = make_float2(top, total);
}

// Values: 64 rows of a head's V, applied to 128 of the columns of what the shares of the positions make together.
constexpr int VALUE_TASKS = HEADS * SLICES * VALUE_PARTS;
struct ValueWords {
  uint2 word;
  float max;
};
INLINE ValueWords value_words(const Layer &l, int task) {
  int head = task / (SLICES * VALUE_PARTS), slice = task / VALUE_PARTS % SLICES, part = task % VALUE_PARTS,
      t = threadIdx.x;
  ValueWords w = {};
  if (task < VALUE_TASKS) {
    i64 row = head * HEAD_ROWS + PLAIN + part * 64 + (t >> 3);
    w.word = __ldcs((const uint2 *)(l.key_value + row * (R / 8) + slice * 16) + (t & 7));
    w.max = __ldcs(l.key_value_max + row * (R / 64) + slice * 2 + (t >> 2 & 1));
  }
  return w;
}
INLINE void values(const Args &p, int task, const ValueWords &w, int n_shares, Front &front, u32 table) {
  int head = task / (SLICES * VALUE_PARTS), slice = task / VALUE_PARTS % SLICES, part = task % VALUE_PARTS;
  int t = threadIdx.x, lane = t & 31, column = t & 127, quarter = t >> 7;
  const float *from = p.parts + (i64)head * R + slice * 128 + column;
  constexpr int AHEAD = 10;
  float early[AHEAD];
#pragma unroll
  for (int i = 0; i < AHEAD; i++) {
    int share = quarter + 4 * i;
    early[i] = share < n_shares ? fresh(from + (i64)share * HEADS * R) : 0;
  }
  float *share_weights = (float *)front.x, *sums = share_weights + MOST_BLOCKS;
  if (t < 32) {
    float2 told[MOST_BLOCKS / 32];
    float top = -1e30f, total = 0;
#pragma unroll
    for (int i = 0; i < MOST_BLOCKS / 32; i++) {
      int s = lane + 32 * i;
      told[i] = s < n_shares ? __ldcg(p.told + head * gridDim.x + s) : make_float2(-1e30f, 0);
      top = fmaxf(top, told[i].x);
    }
#pragma unroll
    for (int o = 16; o; o >>= 1) top = fmaxf(top, __shfl_xor_sync(~0u, top, o));
#pragma unroll
    for (int i = 0; i < MOST_BLOCKS / 32; i++) {
      told[i].x = __expf(told[i].x - top);
      total += told[i].x * told[i].y;
    }
    total = SMALLER / sum_of_warp(total);
#pragma unroll
    for (int i = 0; i < MOST_BLOCKS / 32; i++)
      if (lane + 32 * i < n_shares) share_weights[lane + 32 * i] = told[i].x * total;
  }
  __syncthreads();
  float sum = 0;
#pragma unroll
  for (int i = 0; i < AHEAD; i++)
    if (quarter + 4 * i < n_shares) sum += early[i] * share_weights[quarter + 4 * i];
#pragma unroll 8
  for (int s = quarter + 4 * AHEAD; s < n_shares; s += 4)
    sum += fresh(from + (i64)s * HEADS * R) * share_weights[s];
  sums[t] = sum;
  __syncthreads();
  u16 *mixed = (u16 *)(sums + THREADS);
  if (t < 128)
    mixed[t] = half_of(within(sums[t] + sums[t + 128] + (sums[t + 256] + sums[t + 384]), LARGEST_OF_FOUR));
  __syncthreads();
  u32 x[8], at = at_shared(mixed) + (t & 7) * 32;
  uint4 a = shared4(at), b = shared4(at + 16);
  x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w, x[4] = b.x, x[5] = b.y, x[6] = b.z, x[7] = b.w;
  u32 first = word_times(w.word.x, table, x), second = word_times(w.word.y, table, x + 4);
  float out = ((even_of(first) + odd_of(first)) + (even_of(second) + odd_of(second))) * w.max;
#pragma unroll
  for (int o = 4; o; o >>= 1) out += __shfl_xor_sync(~0u, out, o);
  if ((t & 7) == 0) p.attended[slice * HEADS * VALUE + head * VALUE + part * 64 + (t >> 3)] = out;
  __syncthreads();
}
