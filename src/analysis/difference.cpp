// SPDX-License-Identifier: Apache-2.0
// Computes differences between faces and quantiles of latencies for comparisons.
#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <tuple>

#include "analysis/compare.hpp"
#include "media/face_fields.hpp"
#include "vision/mesh.hpp"

namespace faceflow::internal::analysis {
namespace {

// Unlike ==, distinguishes -0 from 0 and considers a NaN equal to itself.
bool same_bits(float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}
template <class Value>
bool same_bits(const Value& a, const Value& b) {
    if constexpr (media::fields::list<Value>) {
        return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return same_bits(x, y); });
    } else if constexpr (media::fields::number_tuple<Value>) {
        return std::ranges::all_of(media::fields::parts<Value>,
                                   [&](const auto& part) { return same_bits(a.*part.member, b.*part.member); });
    } else {
        static_assert(std::integral<Value>);
        return a == b;
    }
}
bool same_bits(const face& a, const face& b) {
    return std::apply([&](const auto&... field) { return (same_bits(field.of(a), field.of(b)) && ...); },
                      media::fields::of_face);
}

double largest_distance(const face& a, const face& b) {
    double largest = 0;
    for (std::size_t i = 0; i < a.landmarks.size(); ++i) {
        const double x = double{a.landmarks[i].x} - double{b.landmarks[i].x};
        const double y = double{a.landmarks[i].y} - double{b.landmarks[i].y};
        const double z = double{a.landmarks[i].z} - double{b.landmarks[i].z};
        const double d = std::hypot(x, y, z);
        if (!std::isfinite(d)) return infinity;
        largest = std::max(largest, d);
    }
    return largest;
}

// Pixels of the mesh model's input per pixel of the frame.
double model_scale(const face& f) {
    const vision::mesh_options mesh;
    return double{mesh.model_size} / (double{mesh.region_scale} * double{std::max(f.box.width, f.box.height)});
}

}  // namespace

difference difference_between(const frame_faces& reference, const frame_faces& other) {
    if (reference.faces.size() != other.faces.size()) return {false, infinity, reference.faces.size(), 0};
    difference d;
    d.faces = d.close = reference.faces.size();
    for (std::size_t i = 0; i < reference.faces.size(); ++i) {
        const face &a = reference.faces[i], &b = other.faces[i];
        if (a.track != b.track) return {false, infinity, reference.faces.size(), 0};
        if (same_bits(a, b)) continue;
        d.equal = false;
        const double px = largest_distance(a, b);
        d.largest_px = std::max(d.largest_px, px);
        if (px * model_scale(a) > converted_tolerance_model_px) --d.close;
    }
    return d;
}

bool enough_are_close(const difference& all) noexcept {
    const std::size_t far = all.faces - all.close;
    if (far == 1 && all.faces >= converted_few) return true;
    return static_cast<double>(all.close) >= converted_share * static_cast<double>(all.faces);
}

percentiles_ms percentiles_of(std::vector<double> milliseconds) {
    if (milliseconds.empty()) return {};
    std::sort(milliseconds.begin(), milliseconds.end());
    const auto at = [&](double share) {
        const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(milliseconds.size())));
        return milliseconds[std::max<std::size_t>(rank, 1) - 1];
    };
    return {at(0.50), at(0.95), at(0.99)};
}

}  // namespace faceflow::internal::analysis
