// Sizes, which the compiler is given as macros, and what the kernel is handed. One block an SM, 16 warps a block.
//
// D hidden size, H heads, R latent, r rotated, n plain and v value size of a head, E experts, I inner, V ids.
// A unit is 16 bytes of NF4: 32 columns. A piece is a unit for each lane of a warp. fp16 pairs travel as u32.

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;
#define INLINE __device__ __forceinline__

constexpr int WARPS = 16, THREADS = 32 * WARPS;
constexpr int LATENT = R + ROPE;                         // numbers of a row in the cache
constexpr int INPUTS = LATENT + HEADS * (PLAIN + ROPE);  // rows of the first projection
constexpr int HEAD_ROWS = PLAIN + VALUE;                 // of kv_b_proj, for each head
constexpr int UNITS_D = D / 32, PIECES_D = (UNITS_D + 31) / 32;
constexpr int UNITS_V = HEADS * VALUE / 32, PIECES_V = (UNITS_V + 31) / 32;
constexpr int SLOTS = TOP + SHARED;
constexpr int UNITS_I = I / 32, UNITS_MOE = SLOTS * UNITS_I, UNITS_DENSE = DENSE_I / 32;
constexpr int PIECES_MOE = (UNITS_MOE + 31) / 32, PIECES_DENSE = (UNITS_DENSE + 31) / 32;
constexpr int MOST_UNITS = UNITS_MOE > UNITS_DENSE ? UNITS_MOE : UNITS_DENSE;
constexpr int TILE = 32;  // positions that attention takes at a time
constexpr int TILE_ROW =
    LATENT + 8;  // fp16 numbers of a row in shared memory: eight spare against bank conflicts
constexpr int SLICES = R / 128, VALUE_PARTS = VALUE / 64;
constexpr float SMALLER =
    1.0f / 64;  // what may leave the range of fp16 is stored so much smaller, which is exact
constexpr float LARGEST_OF_FOUR = 16376.0f;  // four products of it may be added up in fp16
static_assert(D % 128 == 0 && PIECES_D <= 2 && R % 128 == 0 && R <= THREADS && VALUE % 64 == 0, "shape");
static_assert((PIECES_D == 1 || UNITS_D % 32 == 0) && (PIECES_V == 1 || UNITS_V % 32 == 0), "whole pieces");
static_assert(HEADS <= 16 && LATENT % 16 == 0 && I % 64 == 0 && DENSE_I % 64 == 0 && E % 8 == 0 && E <= 64,
              "shape");
static_assert(PIECES_MOE <= WARPS && PIECES_DENSE <= WARPS, "shape");
static_assert(D <= 4 * THREADS && HEADS * VALUE <= 4 * THREADS && PLAIN <= 128 && TOP <= E, "shape");

struct Layer {  // layout.py names them; absmax are fp32, real numbers bf16
  const u16 *norm;
  const uint4 *inputs;
  const float *inputs_max;
  const u16 *latent_norm;
  const u32 *key_value;
  const float *key_value_max;
  const uint4 *output;
  const float *output_max;
  const u16 *mlp_norm;
  const u16 *router;
  const uint4 *gate_up;
  const float *gate_up_max;
  const uint4 *down;
  const float *down_max;
};

struct Args {
  const Layer *layers;
  const u16 *embedding, *norm;
  const uint4 *head;
  const float *head_max, *cos, *sin;
  const i64 *state;  // cache offset, cache capacity, start, vocabulary, tokens, id
  u16 *anchor;       // cache addresses count from here, in units of 16 bytes
  float *hidden;     // [D]: the residual
  float *y;          // [INPUTS]
  u16 *queries;      // fp16 [H, R + r]
  float *parts;      // [shares, H, R]
  float2 *told;      // [H, blocks]: maximum and sum of each share
  float *attended;   // [SLICES, H * v], SMALLER
  float *scores;     // [blocks, E]: parts of the router's logits, not yet divided by the root mean square
  u16 *act;          // fp16 [slots, I], SMALLER
  float *logits;     // [V]
  float4 *bests;     // [blocks]: highest logit, sum of exp(logit - highest), id
  double *best;      // id, log-probability
  u32 *arrived;      // blocks that have come to a barrier; 0 before and after
  u64 *clocks;       // [blocks, LAYERS + 1, MARKS], if PROFILE: see step.cuh
  float epsilon, softmax_scale, routed_scale;
  int layer_count;
};
