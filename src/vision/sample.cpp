// SPDX-License-Identifier: Apache-2.0
// Vectorised sampling. Highway compiles this file once per instruction set and picks one at run time.
#include "vision/sample.hpp"

#include <hwy/cache_control.h>

#include <algorithm>

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

struct taps {
    vi low, high;
    vf weight;
};

// scalar::tap_at on vectors.
HWY_INLINE taps taps_at(vf position, std::int32_t count) {
    const vf limit = hn::Set(df, static_cast<float>(count - 1));
    vf p = hn::Sub(position, hn::Set(df, 0.5f));
    p = hn::IfThenElse(hn::Gt(p, hn::Zero(df)), p, hn::Zero(df));
    p = hn::Min(p, limit);
    const vi low = hn::ConvertTo(di, p);
    const vi high = hn::Min(hn::Add(low, hn::Set(di, 1)), hn::Set(di, count - 1));
    return {low, high, hn::Sub(p, hn::ConvertTo(df, low))};
}

// Components in one plane with the same step and subsampling, so that one 32-bit gather may serve several.
struct group {
    int first = 0, count = 1;
    std::int32_t base_offset = 0;  // smallest byte offset of a member
    bool both_neighbours = false;  // one word holds this sample and the next
    bool window = false;           // the words of all lanes lie within one vector's bytes
};

struct plan {
    bool level = false;  // a tensor row lies within one row of the picture, left to right
    int groups = 0;
    group g[3];
};

plan plan_of(const sampling_source& s, const affine& m) {
    const format_layout& layout = s.layout;
    plan p;
    p.level = m.yx == 0 && m.xx > 0;
    for (int i = 0; i < layout.components;) {
        group g{i, 1, layout.component[i].offset};
        const component_layout& first = layout.component[i];
        std::int32_t end = first.offset;
        while (i + g.count < layout.components) {
            const component_layout& next = layout.component[i + g.count];
            if (next.plane != first.plane || next.step != first.step || next.log2_w != first.log2_w) break;
            g.base_offset = std::min<std::int32_t>(g.base_offset, next.offset);
            end = std::max<std::int32_t>(end, next.offset);
            ++g.count;
        }
        end = std::max<std::int32_t>(end, first.offset);
        g.both_neighbours = end - g.base_offset + first.step + first.bytes <= 4;
        const float span =
            (static_cast<float>(hn::Lanes(df) - 1) * m.xx / static_cast<float>(1 << first.log2_w) + 3) * first.step + 4;
        const std::size_t window = 4 * hn::Lanes(df);
        g.window = p.level && span <= static_cast<float>(window) && s.readable[first.plane] >= window;
        i += g.count;
        p.g[p.groups++] = g;
    }
    return p;
}

// Loads 4 bytes at each offset without reading past `readable` bytes: late offsets are moved back and the word is
// shifted.
HWY_INLINE vi gather_word(const std::uint8_t* base, vi offset, std::int32_t last_safe) {
    const vi safe = hn::Min(offset, hn::Set(di, last_safe));
    const vi words = hn::GatherOffset(di, reinterpret_cast<const std::int32_t*>(base), safe);
    const auto bits = hn::ShiftLeft<3>(hn::Sub(offset, safe));
    const hn::RebindToUnsigned<int_tag> du;
    return hn::BitCast(di, hn::Shr(hn::BitCast(du, words), hn::BitCast(du, bits)));
}

// The same for offsets that ascend from lane to lane and lie within one vector's bytes: one load and two permutations,
// a quarter of a gather's cost.
HWY_INLINE vi window_word(const std::uint8_t* base, vi offset, std::int32_t first, std::int32_t readable) {
    const hn::RebindToUnsigned<int_tag> du;
    const auto bytes = static_cast<std::int32_t>(4 * hn::Lanes(di));
    const std::int32_t start = std::min(first, readable - bytes);
    const vi window = hn::LoadU(di, reinterpret_cast<const std::int32_t*>(base + start));
    const vi at = hn::Sub(offset, hn::Set(di, start));
    const vi word = hn::ShiftRight<2>(at);
    const vi next = hn::Min(hn::Add(word, hn::Set(di, 1)), hn::Set(di, static_cast<std::int32_t>(hn::Lanes(di)) - 1));
    const auto bits = hn::BitCast(du, hn::ShiftLeft<3>(hn::And(at, hn::Set(di, 3))));
    const auto low = hn::BitCast(du, hn::TableLookupLanes(window, hn::IndicesFromVec(di, word)));
    const auto high = hn::BitCast(du, hn::TableLookupLanes(window, hn::IndicesFromVec(di, next)));
    // In two steps, since a shift by all 32 bits is undefined.
    const auto upper = hn::Shl(hn::ShiftLeft<1>(high), hn::Sub(hn::Set(du, 31u), bits));
    return hn::BitCast(di, hn::Or(hn::Shr(low, bits), upper));
}

HWY_INLINE vf extract(vi word, int byte, const component_layout& c) {
    const hn::RebindToUnsigned<int_tag> du;
    auto v = hn::ShiftRightSame(hn::BitCast(du, word), 8 * byte);
    v = hn::And(v, hn::Set(du, c.bytes == 2 ? 0xffffu : 0xffu));
    if (c.shift != 0) v = hn::ShiftRightSame(v, c.shift);
    return hn::ConvertTo(df, hn::BitCast(di, v));
}

struct look_up {
    const sampling_source& s;
    plan p;

    // Bilinear values of all components at stored positions (x, y).
    HWY_INLINE void operator()(vf x, vf y, vf* out) const {
        taps tx{}, ty{};
        int taps_for = -1;  // the subsampling for which tx, ty were computed
        for (int i = 0; i < p.groups; ++i) {
            const group& g = p.g[i];
            const component_layout& c = s.layout.component[g.first];
            const int subsampling = c.log2_w * 4 + c.log2_h;
            if (subsampling != taps_for) {
                taps_for = subsampling;
                vf px = hn::Mul(x, hn::Set(df, 1.0f / static_cast<float>(1 << c.log2_w)));
                if (c.log2_w != 0) px = hn::Add(px, hn::Set(df, s.chroma_shift_x));
                const vf py = hn::Mul(y, hn::Set(df, 1.0f / static_cast<float>(1 << c.log2_h)));
                tx = taps_at(px, (s.picture.width + (1 << c.log2_w) - 1) >> c.log2_w);
                ty = taps_at(py, (s.picture.height + (1 << c.log2_h) - 1) >> c.log2_h);
            }
            blend(g, c, tx, ty, out);
        }
    }

    HWY_INLINE void blend(const group& g, const component_layout& c, const taps& tx, const taps& ty, vf* out) const {
        const plane& pl = s.picture.planes[c.plane];
        const vi step = hn::Set(di, c.step), base = hn::Set(di, g.base_offset);
        const vi column = hn::Add(hn::Mul(tx.low, step), base);
        const vi next_column = g.both_neighbours ? column : hn::Add(hn::Mul(tx.high, step), base);
        vi top, bottom, top_next, bottom_next;
        if (g.window) {
            const auto readable = static_cast<std::int32_t>(s.readable[c.plane]);
            const std::int32_t first = hn::GetLane(column);
            const auto row = [&](vi index, vi offset) {
                const std::int32_t start = hn::GetLane(index) * pl.stride;
                return window_word(pl.data, hn::Add(offset, hn::Set(di, start)), start + first, readable);
            };
            const bool single = hn::GetLane(ty.weight) == 0;  // the row below has no weight
            top = row(ty.low, column);
            bottom = single ? top : row(ty.high, column);
            top_next = g.both_neighbours ? top : row(ty.low, next_column);
            bottom_next = g.both_neighbours ? bottom : single ? top_next : row(ty.high, next_column);
        } else {
            const auto last_safe = static_cast<std::int32_t>(s.readable[c.plane]) - 4;
            const vi stride = hn::Set(di, pl.stride);
            const vi top_row = hn::Mul(ty.low, stride), bottom_row = hn::Mul(ty.high, stride);
            top = gather_word(pl.data, hn::Add(top_row, column), last_safe);
            bottom = gather_word(pl.data, hn::Add(bottom_row, column), last_safe);
            top_next = g.both_neighbours ? top : gather_word(pl.data, hn::Add(top_row, next_column), last_safe);
            bottom_next =
                g.both_neighbours ? bottom : gather_word(pl.data, hn::Add(bottom_row, next_column), last_safe);
        }
        const int next_byte = g.both_neighbours ? c.step : 0;
        for (int k = g.first; k < g.first + g.count; ++k) {
            const component_layout& m = s.layout.component[k];
            const int byte = m.offset - g.base_offset;
            out[k] = lerp2(extract(top, byte, m), extract(top_next, byte + next_byte, m), extract(bottom, byte, m),
                           extract(bottom_next, byte + next_byte, m), tx.weight, ty.weight);
        }
    }
};

HWY_INLINE rgb<vf> colour(const sampling_source& s, const vf* c) {
    const auto set = [](float v) { return hn::Set(df, v); };
    const colour_transform& k = s.colour;
    if (s.layout.components == 1) {
        const vf l = hn::Mul(hn::Sub(c[0], set(k.y_zero)), set(k.y));
        return {l, l, l};
    }
    if (s.layout.rgb) return {hn::Mul(c[0], set(k.y)), hn::Mul(c[1], set(k.y)), hn::Mul(c[2], set(k.y))};
    return yuv_to_rgb(c[0], c[1], c[2], set(k.y_zero), set(k.c_zero), set(k.y), set(k.rv), set(k.gu), set(k.gv),
                      set(k.bu));
}

HWY_INLINE vf finish(vf v, const tensor_target& t) {
    v = hn::Min(hn::Max(v, hn::Zero(df)), hn::Set(df, 1.0f));
    return hn::Add(hn::Mul(v, hn::Set(df, t.scale)), hn::Set(df, t.bias));
}

// Prefetches the memory that tensor row `v` will read around column `u`. Gathers hide their addresses from the hardware
// prefetcher, and a frame that was just decoded is not in a near cache.
HWY_INLINE void prefetch(const sampling_source& s, const plan& p, const affine& m, std::int32_t u, std::int32_t v) {
    const point at = m({static_cast<float>(u) + 0.5f, static_cast<float>(v) + 0.5f});
    for (int i = 0; i < p.groups; ++i) {
        const component_layout& c = s.layout.component[p.g[i].first];
        const plane& pl = s.picture.planes[c.plane];
        const std::int32_t x = static_cast<std::int32_t>(at.x) >> c.log2_w,
                           y = static_cast<std::int32_t>(at.y) >> c.log2_h;
        const std::int32_t low = scalar::clamp(y, 0, ((s.picture.height - 1) >> c.log2_h) - 1);
        const std::int32_t column = scalar::clamp(x, 0, (s.picture.width - 1) >> c.log2_w) * c.step;
        const std::uint8_t* line = pl.data + static_cast<std::ptrdiff_t>(low < 0 ? 0 : low) * pl.stride + column;
        hwy::Prefetch(line);
        hwy::Prefetch(line + pl.stride);
    }
}

void sample_rows(const sampling_source& s, const affine& m, const tensor_target& t, std::int32_t row_begin,
                 std::int32_t row_end, std::int32_t column_begin, std::int32_t column_end) {
    const look_up at{s, plan_of(s, m)};
    const auto lanes = static_cast<std::int32_t>(hn::Lanes(df));
    const std::ptrdiff_t area = static_cast<std::ptrdiff_t>(t.width) * t.height;
    for (std::int32_t v = row_begin; v < row_end; ++v) {
        const float fv = static_cast<float>(v) + 0.5f;
        for (std::int32_t u = column_begin; u < column_end; u += lanes) {
            const vf fu = hn::Add(hn::Iota(df, static_cast<float>(u)), hn::Set(df, 0.5f));
            // Same order of operations as affine::operator().
            const vf x = hn::Add(hn::Add(hn::Mul(hn::Set(df, m.xx), fu), hn::Set(df, m.xy * fv)), hn::Set(df, m.x0));
            const vf y = hn::Add(hn::Add(hn::Mul(hn::Set(df, m.yx), fu), hn::Set(df, m.yy * fv)), hn::Set(df, m.y0));
            prefetch(s, at.p, m, u, v + 4);
            vf c[3];
            at(x, y, c);
            const rgb<vf> px = colour(s, c);
            float* out = t.floats() + static_cast<std::ptrdiff_t>(v) * t.width + u;
            const vf planes[3] = {finish(px.r, t), finish(px.g, t), finish(px.b, t)};
            const auto left = column_end - u;
            for (int k = 0; k < 3; ++k) {
                if (left >= lanes) {
                    hn::StoreU(planes[k], df, out + k * area);
                } else {
                    hn::BlendedStore(planes[k], hn::FirstN(df, static_cast<std::size_t>(left)), df, out + k * area);
                }
            }
        }
    }
}

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

// The vectorised code reads whole words at offsets from the first byte, and does not support palettes.
bool vectorisable(const sampling_source& s) {
    if (s.layout.palette) return false;
    for (int i = 0; i < s.layout.planes; ++i) {
        if (s.picture.planes[static_cast<std::size_t>(i)].stride < 0 || s.readable[i] < 4) return false;
    }
    return true;
}

void sample_rows_scalar(const sampling_source& s, const affine& m, const tensor_target& t, std::int32_t row_begin,
                        std::int32_t row_end, std::int32_t column_begin, std::int32_t column_end) {
    for (std::int32_t v = row_begin; v < row_end; ++v) {
        for (std::int32_t u = column_begin; u < column_end; ++u)
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
            std::int32_t row_begin, std::int32_t row_end, std::int32_t column_begin, std::int32_t column_end) {
    const affine map = compose(source.stored, frame_from_tensor);
    if (vectorisable(source)) {
        HWY_DYNAMIC_DISPATCH(sample_rows)(source, map, target, row_begin, row_end, column_begin, column_end);
    } else {
        sample_rows_scalar(source, map, target, row_begin, row_end, column_begin, column_end);
    }
}

void sample_letterbox(const sampling_source& source, const letterbox& l, const tensor_target& target,
                      std::int32_t row_begin, std::int32_t row_end) {
    fill_padding(target, l, row_begin, row_end);
    const std::int32_t first = std::max(row_begin, l.y_begin), end = std::min(row_end, l.y_end);
    if (first < end) sample(source, frame_from_letterbox(l), target, first, end, l.x_begin, l.x_end);
}

void sample_reference(const sampling_source& source, const affine& frame_from_tensor, const tensor_target& target) {
    sample_rows_scalar(source, compose(source.stored, frame_from_tensor), target, 0, target.height, 0, target.width);
}

const char* sample_instruction_set() {
    return HWY_DYNAMIC_DISPATCH(instruction_set)();
}

}  // namespace faceflow::internal::vision
#endif  // HWY_ONCE
