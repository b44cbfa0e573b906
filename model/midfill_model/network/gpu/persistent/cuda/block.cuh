// What a block has: its shared memory, its share of every matrix, and the barrier that it meets the others at.

constexpr int DEPTH = 3;                    // groups of weights that a warp may have under way
constexpr int GROUP = 4;                    // pieces
constexpr int PLANE_D = UNITS_D * 16 + 64;  // bytes of a quarter of x: see `take_x`
constexpr int PLANE_V = UNITS_V * 16 + 64;
constexpr int PLANE_I = MOST_UNITS * 16 + 64;
constexpr int X_BYTES = 4 * PLANE_I > 16 * TILE_ROW * 2 ? 4 * PLANE_I : 16 * TILE_ROW * 2;
constexpr int TILE_BYTES = TILE * TILE_ROW * 2;
constexpr int MOST_BLOCKS = 256;
constexpr int OWN_ROWS = 64;  // of the residual, for which a block answers; 32 SMs are enough

// A block's share of all rows, or pairs of gate and up: those from `first` to before `stop`.
struct Share {
  int first, stop;
  INLINE void of(int n) {
    first = n * (int)blockIdx.x / (int)gridDim.x, stop = n * ((int)blockIdx.x + 1) / (int)gridDim.x;
  }
};
struct Shares {
  Share inputs, hidden, dense, shared, routed, head;
  INLINE void divide() {
    inputs.of(INPUTS), hidden.of(D), dense.of(DENSE_I);
    shared.of(SHARED * I), routed.of(TOP * I), head.of(V);
  }
};

// Before the table of NF4, which begins at 64 KB:
struct Front {
  alignas(16) unsigned char tile[TILE_BYTES];  // rows of the cache
  alignas(16) unsigned char x[X_BYTES];        // a vector as fp16, queries, or sums on their way
  alignas(16) float squares[WARPS];
  float own[OWN_ROWS];   // the block's rows of the residual
  float next[OWN_ROWS];  // the same times the next norm's weights
  float logits[64], weights[SLOTS], shrink[16];
  int chosen[SLOTS];
  alignas(16) u16 softmax[16 * (TILE + 8)];
  Shares shares;
};
// Behind it, from 128 KB on:
struct Back {
  alignas(16) unsigned char ring[WARPS * DEPTH * GROUP * 512];
  Layer layers[LAYERS];
};
static_assert(WARPS * DEPTH * GROUP <= 192, "absmax lie in the gaps of the table");
static_assert(X_BYTES >= 4096 && X_BYTES >= (MOST_BLOCKS + THREADS) * 4 + 256, "sums on their way");
static_assert(TILE_BYTES >= WARPS * OWN_ROWS * 4 && TILE_BYTES >= WARPS * E * 4, "sums on their way");
static_assert(sizeof(Front) <= 0x10000 - 1024 && sizeof(Back) <= 0x19000, "shared memory");
// The table's entries leave gaps of 128 bytes: 192 for the absmax of the ring, 64 for attention's scores.
INLINE u32 gap(u32 table, int index) { return table + index * 256 + 128; }

struct Barrier {  // of all blocks, which run at the same time: a cooperative launch
  // Who arrives waits for all that its warp has asked for: the last warp has the fewest weights under way.
  static constexpr int KEEPER = THREADS - 32;
  u32 *arrived, target;
  INLINE void arrive() {
    __syncthreads();
    target += gridDim.x;
    if (threadIdx.x == KEEPER)
      asm volatile("red.release.gpu.global.add.u32 [%0],1;" ::"l"(arrived) : "memory");
  }
  INLINE void wait() {
    if (threadIdx.x == KEEPER) {
      u32 now;
      do asm volatile("ld.acquire.gpu.global.u32 %0,[%1];" : "=r"(now) : "l"(arrived) : "memory");
      while (now < target);
    }
    __syncthreads();
  }
};
