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

#include "vision/sample_words.inc"

#include "vision/sample_level.inc"
#include "vision/sample_turned.inc"

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
