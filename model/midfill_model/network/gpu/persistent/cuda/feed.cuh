// Weights on their way into shared memory. Each warp has a ring of its own, each lane a column of it that no other
// lane reads: so a lane waits for its own copies only. `feed` runs ahead of the computation, through all stages,
// as far as there is room and it is known which weights come next: routed experts are known once they are chosen.

enum { INPUT, OUTPUT, GATE_UP, DOWN, HEAD };

struct Feed {
  const Front &front;
  const Layer *layers;  // in shared memory
  const uint4 *head;
  const float *head_max;
  u32 ring, maxima;  // this lane's column
  int warp, lane, layer_count;
  u64 policy;
  int count = 0, in = 0, out = 0;  // groups under way; where the next goes; where the oldest lies
  int stage = INPUT, layer = 0, index = 0, chosen = -1;

  INLINE bool dense() const { return layer < DENSE_LAYERS; }
  INLINE void to(int next) { stage = next, index = 0; }

  // Asks for a group of N pieces: the second lies `near` units behind the first, the other two `far` behind those.
  INLINE void ask(const uint4 *w, const float *max, i64 unit, int near, i64 far, int n) {
    w += unit, max += unit / 2;  // a row has an even number of units, so no block of 64 columns spans two
    u32 to_w = ring + in * (GROUP * 512), to_max = maxima + in * (GROUP * 256);
#pragma unroll
    for (int i = 0; i < GROUP; i++) {
      if (i < n) {
        i64 on = (i & 1) * (i64)near + (i >> 1) * far;
        copy16_once(to_w + i * 512, w + on, policy);
        copy4(to_max + i * 256, max + on / 2);
      }
    }
    commit();
    count++, index++, in = in + 1 == DEPTH ? 0 : in + 1;
  }

  // Asks for whatever comes next. STAGES: a bit for each stage that it may be here, to keep the code small.
  template <int STAGES>
  INLINE void feed() {
    while (count < DEPTH) {
      const Layer &l = layers[layer < LAYERS ? layer : 0];
      const uint4 *w = nullptr;
      const float *max;
      int first, second = -1, units = UNITS_D, n_rows = 0;  // rows to ask for
      if ((STAGES & 1) && stage == INPUT) {
        const Share &share = front.shares.inputs;
        first = share.first + (index * WARPS + warp) * 2, second = first + 1;
        if (first < share.stop)
          w = l.inputs, max = l.inputs_max, n_rows = share.stop - first;
        else
          to(OUTPUT);
      }
      if ((STAGES & 3) && stage == OUTPUT) {
        const Share &share = front.shares.hidden;
        first = share.first + index * WARPS + warp;
        if (first < share.stop)
          w = l.output, max = l.output_max, n_rows = 1, units = UNITS_V;
        else
          to(GATE_UP);
      }
      if ((STAGES & 7) && stage == GATE_UP) {
        if (find_pair(first, second)) {
          if (first < 0) return;
          w = l.gate_up, max = l.gate_up_max, n_rows = 2;
        } else {
          to(DOWN);
        }
      }
      if ((STAGES & 12) && stage == DOWN) {
        if (!dense() && chosen != layer) return;
        int piece, row;
        if (find_down(index, dense(), piece, row)) {
          ask_down(l, piece, row);
          continue;
        }
        layer++;
        to(layer < layer_count ? INPUT : HEAD);
        if (STAGES & 1) continue;
      }
      if ((STAGES & 24) && stage == HEAD) {
        const Share &share = front.shares.head;
        first = share.first + (index * WARPS + warp) * 2, second = first + 1;
        if (first < share.stop) w = head, max = head_max, n_rows = share.stop - first;
      }
      if (!w) return;
      const int pieces = PIECES_D > PIECES_V ? PIECES_D : PIECES_V;
      static_assert(PIECES_D == PIECES_V, "a row has as many pieces in all matrices but down");
      const bool there =
          UNITS_D % 32 == 0 && UNITS_V % 32 == 0 || lane < units;  // of a row shorter than a piece
      const i64 apart = (i64)(second - first) * units;
      ask(w, max, (i64)first * units + lane, pieces == 2 ? 32 : (int)apart, apart,
          there ? (n_rows > 1 ? 2 : 1) * pieces : 0);
    }
  }
  // The rows of a pair of gate and up; shared experts, then routed ones. gate < 0: not yet known. False: no more.
  INLINE bool find_pair(int &gate, int &up) const {
    int i = pair_of(index, layer);
    if (i < 0) return false;
    if (dense()) {
      gate = i, up = i + DENSE_I;
    } else if (i >= TOP * I) {
      gate = E * 2 * I + i - TOP * I, up = gate + SHARED * I;
    } else {
      gate = -1;
      if (chosen == layer) {
        int slot = i / I;
        gate = front.chosen[slot] * 2 * I + i - slot * I, up = gate + I;
      }
    }
    return true;
  }
  // Where the result of this warp's pair goes in `act`; -1 behind the last.
  INLINE int pair_of(int index, int layer) const {
    const Shares &s = front.shares;
    if (layer < DENSE_LAYERS) {
      int i = s.dense.first + index * WARPS + warp;
      return i < s.dense.stop ? i : -1;
    }
    int n = s.shared.stop - s.shared.first, mine = (n - warp + WARPS - 1) / WARPS;  // of the shared ones
    if (index < mine) return TOP * I + s.shared.first + index * WARPS + warp;
    // The warps that have one less of those begin the routed ones.
    int i = s.routed.first + (index - mine) * WARPS + (warp - n & WARPS - 1);
    return i < s.routed.stop ? i : -1;
  }
  // A piece and the first of four of the block's rows. False: no more.
  INLINE bool find_down(int index, bool dense, int &piece, int &row) const {
    int pieces = dense ? PIECES_DENSE : PIECES_MOE, group = index * WARPS + warp, four = group / pieces;
    piece = group - four * pieces, row = four * GROUP;
    return row < front.shares.hidden.stop - front.shares.hidden.first;
  }
  // Four rows' piece of all slots' matrices, as if they were one.
  INLINE void ask_down(const Layer &l, int piece, int row) {
    int unit = piece * 32 + lane, stride = UNITS_I, slot = unit / UNITS_I, n_units = UNITS_MOE;
    i64 at;
    if (dense()) {
      n_units = stride = UNITS_DENSE, at = unit;
    } else if (slot < TOP) {
      at = (i64)front.chosen[slot] * (D * UNITS_I) + unit - slot * UNITS_I;
    } else {
      stride = SHARED * UNITS_I, at = (i64)E * D * UNITS_I + unit - TOP * UNITS_I;
    }
    row += front.shares.hidden.first;
    ask(l.down, l.down_max, at + (i64)row * stride, stride, 2 * stride,
        unit < n_units ? front.shares.hidden.stop - row : 0);
  }
  INLINE void acquire() {  // the oldest group has come
    if (count <= 1)
      wait_all_but<0>();
    else if (count == 2)
      wait_all_but<1>();
    else
      wait_all_but<2>();
  }
  INLINE void release() { count--, out = out + 1 == DEPTH ? 0 : out + 1; }
  INLINE uint4 piece(int i) const { return shared4(ring + (out * GROUP + i) * 512); }
  INLINE float maximum(int i) const { return shared1(maxima + (out * GROUP + i) * 256); }
};
