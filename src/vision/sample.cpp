// SPDX-License-Identifier: Apache-2.0
// Vectorised sampling. Highway compiles this file once per instruction set and picks one at run time.
#include "vision/sample.hpp"

#include <hwy/cache_control.h>

#include <algorithm>
#include <cmath>

// The rest of the file is included again for every instruction set, hence the toggling guards.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vision/sample.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace faceflow::internal::vision::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using float_tag = hn::ScalableTag<float>;
using int_tag = hn::RebindToSigned<float_tag>;
using vf = hn::Vec<float_tag>;
using vi = hn::Vec<int_tag>;
constexpr float_tag df;
constexpr int_tag di;

#include "vision/sampling_math.inc"

#if HWY_TARGET == HWY_SCALAR  // one lane: the scalar functions are the faster ones

bool sample_rows(const sampling_source&, const affine&, const tensor_target&, const pixel_range&) {
    return false;
}

#else

constexpr int lanes = hn::MaxLanes(df);
constexpr std::int32_t band_rows = 8;

HWY_INLINE vf set(float v) {
    return hn::Set(df, v);
}

// scalar::tap_at on vectors, without the second neighbour. `inside`: no position needs clamping.
struct taps {
    vi low;
    vf weight;
};

template <bool inside>
HWY_INLINE taps taps_at(vf position, std::int32_t count) {
    vf p = hn::Sub(position, set(0.5f));
    if constexpr (!inside) {
        p = hn::IfThenElse(hn::Gt(p, hn::Zero(df)), p, hn::Zero(df));
        p = hn::Min(p, set(static_cast<float>(count - 1)));
    }
    // In the last bits of 2^23 + n stands n: cheaper than a conversion, which must mind what is no 32-bit number.
    const vf whole = hn::Floor(p), magic = set(8388608.0f);
    const vi low = hn::Xor(hn::BitCast(di, hn::Add(whole, magic)), hn::BitCast(di, magic));
    return {low, hn::Sub(p, whole)};
}

// The second neighbour.
HWY_INLINE vi next(vi low, std::int32_t count) {
    return hn::Min(hn::Add(low, hn::Set(di, 1)), hn::Set(di, count - 1));
}

// Components in one plane with the same step and subsampling: 4 or 8 bytes hold a sample of each and the next ones.
struct group {
    const std::uint8_t* data = nullptr;           // the first byte of a member
    std::int32_t stride = 0, step = 0;            // bytes
    std::int32_t columns = 0, rows = 0;           // samples
    std::int32_t row_bytes = 0;                   // from `data` on
    float scale_x = 1, shift_x = 0, scale_y = 1;  // of stored positions
    int log2_w = 0, log2_h = 0;
    int bytes = 1, shift = 0;     // of a sample
    std::int32_t member[3] = {};  // bytes from `data`
    bool wide = false;            // 8 bytes
    // Of a map.
    bool blocks = false;                 // in a level row, 16 bytes hold what four lanes need
    std::int32_t lanes_of_line = lanes;  // lanes whose samples lie in one cache line or two, if the row is level
    std::ptrdiff_t next_band = 0;        // bytes to the rows that the target's next band needs

    [[nodiscard]] std::int32_t word_bytes() const { return wide ? 8 : 4; }
};

// The group that begins with component `first`; `count` is the number of its members.
group group_of(const sampling_source& s, int first, int& count) {
    const component_layout* const c = s.layout.component + first;
    count = 1;
    std::int32_t begin = c->offset, end = c->offset + c->bytes;
    for (; first + count < s.layout.components; ++count) {
        const component_layout& other = c[count];
        if (other.plane != c->plane || other.step != c->step || other.log2_w != c->log2_w) break;
        begin = std::min<std::int32_t>(begin, other.offset);
        end = std::max<std::int32_t>(end, other.offset + other.bytes);
    }
    group g;
    g.data = s.picture.planes[c->plane].data + begin;
    g.stride = s.picture.planes[c->plane].stride;
    g.step = c->step;
    g.columns = (s.picture.width + (1 << c->log2_w) - 1) >> c->log2_w;
    g.rows = (s.picture.height + (1 << c->log2_h) - 1) >> c->log2_h;
    g.row_bytes = (g.columns - 1) * g.step + end - begin;
    g.scale_x = 1.0f / static_cast<float>(1 << c->log2_w);
    g.scale_y = 1.0f / static_cast<float>(1 << c->log2_h);
    if (c->log2_w != 0) g.shift_x = s.chroma_shift_x;
    g.log2_w = c->log2_w;
    g.log2_h = c->log2_h;
    g.bytes = c->bytes;
    g.shift = c->shift;
    for (int k = 0; k < count; ++k)
        g.member[k] = c[k].offset - begin;
    g.wide = end - begin + g.step > 4;
    return g;
}

void fit_to_map(group& g, const affine& m) {
    const float step = std::fabs(m.xx) * g.scale_x;  // samples from lane to lane, in a level row
    // From the first to the last of four lanes, with room for rounding, to the last one's neighbour, and all members.
    const auto samples = static_cast<std::int32_t>(std::ceil(std::min(3 * step, 16.0f) + 0.25f)) + 1;
    const std::int32_t extent = g.row_bytes - (g.columns - 1) * g.step;
    g.blocks = samples * g.step + extent <= 16 && g.row_bytes >= 16;
    while (g.lanes_of_line > 1 && static_cast<float>(g.lanes_of_line * g.step) * step > 64)
        g.lanes_of_line /= 2;
    g.next_band = static_cast<std::int32_t>(m.yy * g.scale_y * band_rows) * std::ptrdiff_t{g.stride};
}

struct plan {
    int groups = 0;
    int last = 0;        // members of the last group; the others have one
    bool fits = true;    // each row is as long as a word
    bool level = false;  // rows of the tensor lie along rows of the picture, columns along columns
    group g[3];
};

plan plan_of(const sampling_source& s, const affine& m) {
    plan p;
    p.level = m.yx == 0 && m.xy == 0;
    for (int i = 0; i < s.layout.components; i += p.last) {
        group& g = p.g[p.groups++] = group_of(s, i, p.last);
        p.fits = p.fits && g.row_bytes >= g.word_bytes();
        fit_to_map(g, m);
    }
    return p;
}

// For each lane, bytes with a sample of each member, and bytes with their neighbours.
struct words {
    vi here, next;
};

// The words at `offset`. None reaches beyond its row: at a row's end they begin earlier, and their samples `late` bits
// after their start. A neighbour beyond the row is no matter, since its weight is 0.
template <bool at_end>
HWY_INLINE words gather(const group& g, const std::uint8_t* base, vi offset, vi late) {
    const hn::RebindToUnsigned<int_tag> du;
    if (!g.wide) {
        vi w = hn::GatherOffset(di, reinterpret_cast<const std::int32_t*>(base), offset);
        if constexpr (at_end) w = hn::BitCast(di, hn::Shr(hn::BitCast(du, w), hn::BitCast(du, late)));
        return {w, w};
    }
    const hn::Repartition<std::int64_t, int_tag> dl;
    const hn::RebindToUnsigned<decltype(dl)> dlu;
    const hn::Half<int_tag> half;
    const auto load = [&](auto where, auto bits) {
        auto w = hn::BitCast(
            dlu, hn::GatherOffset(dl, reinterpret_cast<const std::int64_t*>(base), hn::PromoteTo(dl, where)));
        if constexpr (at_end) w = hn::Shr(w, hn::BitCast(dlu, hn::PromoteTo(dl, bits)));
        return w;
    };
    const auto low = load(hn::LowerHalf(half, offset), hn::LowerHalf(half, late));
    const auto high = load(hn::UpperHalf(half, offset), hn::UpperHalf(half, late));
    const auto firsts = [&](auto b, auto a) { return hn::ConcatEven(di, hn::BitCast(di, b), hn::BitCast(di, a)); };
    return {firsts(high, low), firsts(hn::ShiftRightSame(high, 8 * g.step), hn::ShiftRightSame(low, 8 * g.step))};
}

// Sixteen bytes for each four lanes.
template <class D>
HWY_INLINE hn::Vec<D> load_blocks(D d, const std::uint8_t* row, const std::int32_t* start) {
    if constexpr (hn::MaxLanes(d) == 4) {
        return hn::LoadU(d, reinterpret_cast<const std::int32_t*>(row + *start));
    } else {
        const hn::Half<D> half;
        return hn::Combine(d, load_blocks(half, row, start + hn::MaxLanes(half) / 4), load_blocks(half, row, start));
    }
}

// The permutations of bytes that take a member from `words`.
struct shuffles {
    vi here, next;
};

// The permutation of bytes within four lanes that leaves the sample at byte `at` of 16 in each lane.
HWY_INLINE vi shuffle_to(vi at, int bytes) {
    if (bytes == 1) return hn::Or(at, hn::Set(di, static_cast<std::int32_t>(0x80808000u)));
    const vi second = hn::ShiftLeft<8>(hn::Add(at, hn::Set(di, 1)));
    return hn::Or(hn::Or(at, second), hn::Set(di, static_cast<std::int32_t>(0x80800000u)));
}

HWY_INLINE shuffles shuffles_of_word(const group& g, int member) {
    const vi lane = hn::ShiftLeft<2>(hn::And(hn::Iota(di, 0), hn::Set(di, 3)));
    const vi here = hn::Add(lane, hn::Set(di, g.member[member]));
    return {shuffle_to(here, g.bytes), shuffle_to(g.wide ? here : hn::Add(here, hn::Set(di, g.step)), g.bytes)};
}

// A member's values between its samples and their neighbours.
HWY_INLINE vf blend(const group& g, const words& w, const shuffles& to, vf weight) {
    vi here = hn::TableLookupBytesOr0(w.here, to.here), next = hn::TableLookupBytesOr0(w.next, to.next);
    if (g.shift != 0) {
        here = hn::ShiftRightSame(here, g.shift);
        next = hn::ShiftRightSame(next, g.shift);
    }
    return lerp(hn::ConvertTo(df, here), hn::ConvertTo(df, next), weight);
}

// Pixel formats have four shapes: components in 1 to 3 groups, the last of `last` members, the others of one.
template <int groups, int last>
HWY_INLINE rgb<vf> colour(const sampling_source& s, const vf* c) {
    const colour_transform& k = s.colour;
    if constexpr (groups * last == 1) {
        const vf l = hn::Mul(hn::Sub(c[0], set(k.y_zero)), set(k.y));
        return {l, l, l};
    } else {
        if (s.layout.rgb) return {hn::Mul(c[0], set(k.y)), hn::Mul(c[1], set(k.y)), hn::Mul(c[2], set(k.y))};
        return yuv_to_rgb(c[0], c[1], c[2], set(k.y_zero), set(k.c_zero), set(k.y), set(k.rv), set(k.gu), set(k.gv),
                          set(k.bu));
    }
}

// Stores the first `count` lanes, or all, at column u of row v.
HWY_INLINE void store(const tensor_target& t, std::int32_t u, std::int32_t v, std::int32_t count, const rgb<vf>& c) {
    const std::ptrdiff_t area = static_cast<std::ptrdiff_t>(t.width) * t.height;
    float* out = t.floats() + static_cast<std::ptrdiff_t>(v) * t.width + u;
    for (const vf& plane : {c.r, c.g, c.b}) {
        const vf within = hn::Min(hn::Max(plane, hn::Zero(df)), set(1));
        const vf value = hn::Add(hn::Mul(within, set(t.scale)), set(t.bias));
        if (count >= lanes) {
            hn::StoreU(value, df, out);
        } else {
            hn::BlendedStore(value, hn::FirstN(df, static_cast<std::size_t>(count)), df, out);
        }
        out += area;
    }
}

// ---- level maps: rows of the target lie along rows of the picture ------------------------------------------------
// What a column needs is then the same in each row, so that bands of rows are filled column by column.

struct band {
    std::int32_t first = 0, end = 0;
    scalar::tap rows[2][band_rows];  // of the first group, of the others
};

band band_of(const plan& p, const affine& m, std::int32_t first, std::int32_t end) {
    band b{first, std::min(end, first + band_rows), {}};
    for (std::int32_t v = b.first; v < b.end; ++v) {
        const float y = m.yy * (static_cast<float>(v) + 0.5f) + m.y0;
        for (int i = 0; i < std::min(p.groups, 2); ++i)
            b.rows[i][v - first] = scalar::tap_at(y * p.g[i].scale_y, p.g[i].rows);
    }
    return b;
}

// One group's samples for a vector of columns. Where 16 bytes hold what four lanes need, they are loaded; elsewhere
// words are gathered. Either way a permutation of bytes leaves one sample in each lane.
template <int members>
class level_columns {
public:
    HWY_INLINE level_columns(const group& g, vf x) : g_(g) {
        const taps t = taps_at<false>(hn::Add(hn::Mul(x, set(g.scale_x)), set(g.shift_x)), g.columns);
        weight_ = t.weight;
        const vi column = hn::Mul(t.low, hn::Set(di, g.step));
        const vi next_column = hn::Mul(next(t.low, g.columns), hn::Set(di, g.step));
        offset_ = hn::Min(column, hn::Set(di, g.row_bytes - g.word_bytes()));
        late_ = hn::ShiftLeft<3>(hn::Sub(column, offset_));
        at_end_ = !hn::AllTrue(di, hn::Eq(column, offset_));
        first_ = hn::GetLane(column);
        last_ = hn::ExtractLane(column, lanes - 1);
        const vi start = g.blocks ? block_starts(column) : hn::Zero(di);
        for (int k = 0; k < members; ++k) {
            const vi member = hn::Sub(hn::Set(di, g.member[k]), start);
            shuffles_[k] = g.blocks ? shuffles{shuffle_to(hn::Add(column, member), g.bytes),
                                               shuffle_to(hn::Add(next_column, member), g.bytes)}
                                    : shuffles_of_word(g, k);
        }
    }

    // Their values between two rows.
    HWY_INLINE void at(const scalar::tap& t, vf (&out)[members]) {
        const vf* top = row(t.low);
        for (int k = 0; k < members; ++k)
            out[k] = top[k];
        if (t.weight == 0) return;
        const vf* bottom = row(t.high);
        for (int k = 0; k < members; ++k)
            out[k] = lerp(out[k], bottom[k], set(t.weight));
    }

private:
    // Where the 16 bytes of each four lanes begin.
    HWY_INLINE vi block_starts(vi column) {
        HWY_ALIGN std::int32_t of[lanes];
        hn::Store(column, di, of);
        for (int i = 0; i < lanes; i += 4) {
            start_[i / 4] = std::min({of[i], of[i + 3], g_.row_bytes - 16});
            std::fill_n(of + i, 4, start_[i / 4]);
        }
        return hn::Load(di, of);
    }

    // A row's values, which are kept: the next row of the target often lies between one of the same rows and another.
    HWY_INLINE const vf* row(std::int32_t index) {
        vf* const values = kept_[index & 1];
        if (kept_row_[index & 1] == index) return values;
        kept_row_[index & 1] = index;
        const std::uint8_t* const base = g_.data + static_cast<std::ptrdiff_t>(index) * g_.stride;
        for (std::int32_t b = first_; b <= last_; b += 64)
            hwy::Prefetch(base + g_.next_band + b);
        words w;
        if (g_.blocks) {
            w.here = w.next = load_blocks(di, base, start_);
        } else {
            w = at_end_ ? gather<true>(g_, base, offset_, late_) : gather<false>(g_, base, offset_, late_);
        }
        for (int k = 0; k < members; ++k)
            values[k] = blend(g_, w, shuffles_[k], weight_);
        return values;
    }

    const group& g_;
    vf weight_;
    vi offset_, late_;
    bool at_end_;
    std::int32_t first_, last_;
    std::int32_t start_[lanes / 4];
    shuffles shuffles_[members];
    std::int32_t kept_row_[2] = {-1, -1};
    vf kept_[2][members];
};

template <int members>
HWY_INLINE void fill_band(const group& g, vf x, const scalar::tap* rows, std::int32_t count, vf (*out)[band_rows]) {
    level_columns<members> columns(g, x);
    for (std::int32_t i = 0; i < count; ++i) {
        vf values[members];
        columns.at(rows[i], values);
        for (int k = 0; k < members; ++k)
            out[k][i] = values[k];
    }
}

template <int groups, int last>
void sample_level(const sampling_source& s, const plan& p, const affine& m, const tensor_target& t,
                  const pixel_range& of) {
    for (std::int32_t first = of.row_begin; first < of.row_end; first += band_rows) {
        const band b = band_of(p, m, first, of.row_end);
        const std::int32_t count = b.end - b.first;
        for (std::int32_t u = of.column_begin; u < of.column_end; u += lanes) {
            const vf fu = hn::Add(hn::Iota(df, static_cast<float>(u)), set(0.5f));
            const vf x = hn::Add(hn::Mul(set(m.xx), fu), set(m.x0));
            vf c[3][band_rows];
            fill_band<groups == 1 ? last : 1>(p.g[0], x, b.rows[0], count, c);
            if constexpr (groups > 1) fill_band<last>(p.g[1], x, b.rows[1], count, c + 1);
            if constexpr (groups > 2) fill_band<1>(p.g[2], x, b.rows[1], count, c + 2);
            for (std::int32_t i = 0; i < count; ++i) {
                const vf at[3] = {c[0][i], c[1][i], c[2][i]};
                store(t, u, first + i, of.column_end - u, colour<groups, last>(s, at));
            }
        }
    }
}

// ---- any other map ----------------------------------------------------------------------------------------------

template <int members, bool inside>
HWY_INLINE void look_up_group(const group& g, const shuffles* member, const taps& tx, const taps& ty, vf* out) {
    vi column = hn::Mul(tx.low, hn::Set(di, g.step)), late = hn::Zero(di);
    if constexpr (!inside) {
        const vi safe = hn::Min(column, hn::Set(di, g.row_bytes - g.word_bytes()));
        late = hn::ShiftLeft<3>(hn::Sub(column, safe));
        column = safe;
    }
    const vi stride = hn::Set(di, g.stride);
    const vi offset = hn::Add(hn::Mul(ty.low, stride), column);
    const words top = gather<!inside>(g, g.data, offset, late);
    const words bottom = inside ? gather<false>(g, g.data + g.stride, offset, late)
                                : gather<true>(g, g.data, hn::Add(hn::Mul(next(ty.low, g.rows), stride), column), late);
    for (int k = 0; k < members; ++k)
        out[k] = lerp(blend(g, top, member[k], tx.weight), blend(g, bottom, member[k], tx.weight), ty.weight);
}

// The components at stored positions (x, y).
template <int groups, int last, bool inside>
HWY_INLINE void look_up(const plan& p, const shuffles* members, vf x, vf y, vf* out) {
    look_up_group<groups == 1 ? last : 1, inside>(p.g[0], members, taps_at<inside>(x, p.g[0].columns),
                                                  taps_at<inside>(y, p.g[0].rows), out);
    if constexpr (groups > 1) {
        const group& g = p.g[1];
        const taps tx = taps_at<inside>(hn::Add(hn::Mul(x, set(g.scale_x)), set(g.shift_x)), g.columns);
        const taps ty = taps_at<inside>(hn::Mul(y, set(g.scale_y)), g.rows);
        look_up_group<last, inside>(g, members + 1, tx, ty, out + 1);
        if constexpr (groups > 2) look_up_group<1, inside>(p.g[2], members + 2, tx, ty, out + 2);
    }
}

// Prefetches what tensor row `v` will read around column `u`. Gathers hide their addresses from the hardware
// prefetcher, and a frame that was just decoded is not in a near cache.
HWY_INLINE void prefetch(const group& g, const affine& m, std::int32_t u, std::int32_t v) {
    for (std::int32_t lane = 0; lane < lanes; lane += g.lanes_of_line) {
        const point at = m({static_cast<float>(u + lane) + 0.5f, static_cast<float>(v) + 0.5f});
        const std::int32_t row = scalar::clamp(static_cast<std::int32_t>(at.y) >> g.log2_h, 0, g.rows - 1);
        const std::int32_t column = scalar::clamp(static_cast<std::int32_t>(at.x) >> g.log2_w, 0, g.columns - 1);
        const std::uint8_t* line = g.data + static_cast<std::ptrdiff_t>(row) * g.stride + column * g.step;
        hwy::Prefetch(line);
        hwy::Prefetch(line + g.stride);
    }
}

template <int groups, int last>
void sample_turned(const sampling_source& s, const plan& p, const affine& m, const tensor_target& t,
                   const pixel_range& of) {
    // So far from the edges that neighbours and whole words lie in the picture, whatever the subsampling.
    const float right = static_cast<float>(s.picture.width - 32), bottom = static_cast<float>(s.picture.height - 4);
    shuffles members[3];
    for (int i = 0; i < groups; ++i) {
        for (int k = 0; k < (i + 1 == groups ? last : 1); ++k)
            members[i + k] = shuffles_of_word(p.g[i], k);
    }
    const auto between = [](vf v, float high) { return hn::And(hn::Ge(v, set(4)), hn::Le(v, set(high))); };
    for (std::int32_t v = of.row_begin; v < of.row_end; ++v) {
        const float fv = static_cast<float>(v) + 0.5f;
        for (std::int32_t u = of.column_begin; u < of.column_end; u += lanes) {
            const vf fu = hn::Add(hn::Iota(df, static_cast<float>(u)), set(0.5f));
            // Same order of operations as affine::operator().
            const vf x = hn::Add(hn::Add(hn::Mul(set(m.xx), fu), set(m.xy * fv)), set(m.x0));
            const vf y = hn::Add(hn::Add(hn::Mul(set(m.yx), fu), set(m.yy * fv)), set(m.y0));
            for (int i = 0; i < groups; ++i)
                prefetch(p.g[i], m, u, v + 4);
            vf c[3];
            if (hn::AllTrue(df, hn::And(between(x, right), between(y, bottom)))) {
                look_up<groups, last, true>(p, members, x, y, c);
            } else {
                look_up<groups, last, false>(p, members, x, y, c);
            }
            store(t, u, v, of.column_end - u, colour<groups, last>(s, c));
        }
    }
}

template <int groups, int last>
void sample_shape(const sampling_source& s, const plan& p, const affine& m, const tensor_target& t,
                  const pixel_range& of) {
    if (p.level) {
        sample_level<groups, last>(s, p, m, t, of);
    } else {
        sample_turned<groups, last>(s, p, m, t, of);
    }
}

// False if the picture is too narrow.
bool sample_rows(const sampling_source& s, const affine& m, const tensor_target& t, const pixel_range& of) {
    const plan p = plan_of(s, m);
    if (!p.fits) return false;
    if (p.groups == 3) {
        sample_shape<3, 1>(s, p, m, t, of);
    } else if (p.groups == 2) {
        sample_shape<2, 2>(s, p, m, t, of);
    } else if (p.last == 3) {
        sample_shape<1, 3>(s, p, m, t, of);
    } else {
        sample_shape<1, 1>(s, p, m, t, of);
    }
    return true;
}

#endif

const char* instruction_set() {
    return hwy::TargetName(HWY_TARGET);
}

}  // namespace
}  // namespace faceflow::internal::vision::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace faceflow::internal::vision {

HWY_EXPORT(sample_rows);
HWY_EXPORT(instruction_set);

namespace {

void sample_rows_scalar(const sampling_source& s, const affine& m, const tensor_target& t, const pixel_range& of) {
    for (std::int32_t v = of.row_begin; v < of.row_end; ++v) {
        for (std::int32_t u = of.column_begin; u < of.column_end; ++u)
            scalar::store(t, u, v, scalar::sample_pixel(s, m, u, v));
    }
}

void fill_padding(const tensor_target& t, const letterbox& l, std::int32_t row_begin, std::int32_t row_end) {
    const std::ptrdiff_t area = static_cast<std::ptrdiff_t>(t.width) * t.height;
    for (int k = 0; k < 3; ++k) {
        for (std::int32_t v = row_begin; v < row_end; ++v) {
            float* const row = t.floats() + k * area + static_cast<std::ptrdiff_t>(v) * t.width;
            const bool within = v >= l.y_begin && v < l.y_end;
            std::fill(row, row + (within ? l.x_begin : t.width), t.bias);
            if (within) std::fill(row + l.x_end, row + t.width, t.bias);
        }
    }
}

}  // namespace

void sample(const sampling_source& source, const affine& frame_from_tensor, const tensor_target& target,
            const pixel_range& of) {
    const affine map = compose(source.stored, frame_from_tensor);
    if (source.layout.palette || !HWY_DYNAMIC_DISPATCH(sample_rows)(source, map, target, of))
        sample_rows_scalar(source, map, target, of);
}

void sample_letterbox(const sampling_source& source, const letterbox& l, const tensor_target& target,
                      std::int32_t row_begin, std::int32_t row_end) {
    fill_padding(target, l, row_begin, row_end);
    const pixel_range shown{std::max(row_begin, l.y_begin), std::min(row_end, l.y_end), l.x_begin, l.x_end};
    if (shown.row_begin < shown.row_end) sample(source, frame_from_letterbox(l), target, shown);
}

void sample_reference(const sampling_source& source, const affine& frame_from_tensor, const tensor_target& target) {
    sample_rows_scalar(source, compose(source.stored, frame_from_tensor), target, whole(target));
}

const char* sample_instruction_set() {
    return HWY_DYNAMIC_DISPATCH(instruction_set)();
}

}  // namespace faceflow::internal::vision
#endif  // HWY_ONCE
