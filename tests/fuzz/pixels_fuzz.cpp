// SPDX-License-Identifier: Apache-2.0
// Pictures of any format, size, stride and place to sample: what `check` lets through is sampled without reading a byte
// outside of it, by the vectorised code as by the scalar reference.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "frame/layout.hpp"
#include "vision/sample.hpp"

namespace {

// Takes values off the front of the input; zeros once it is used up.
struct reader {
    const std::uint8_t* data;
    std::size_t size;
    template <class T>
    T take() {
        T value{};
        const std::size_t n = size < sizeof value ? size : sizeof value;
        std::memcpy(&value, data, n);
        data += n;
        size -= n;
        return value;
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace faceflow;
    using namespace faceflow::internal;
    reader in{data, size};
    image picture;
    picture.format = static_cast<pixel_format>(in.take<std::uint8_t>() % 40);
    picture.matrix = static_cast<colour_matrix>(in.take<std::uint8_t>() % 4);
    picture.range = static_cast<colour_range>(in.take<std::uint8_t>() % 2);
    picture.site = static_cast<chroma_site>(in.take<std::uint8_t>() % 2);
    picture.turn = static_cast<rotation>(in.take<std::uint8_t>() % 4);
    picture.width = in.take<std::uint8_t>() % 80;
    picture.height = in.take<std::uint8_t>() % 80;
    std::vector<std::vector<std::uint8_t>> planes;
    for (int i = 0; i < plane_count(picture.format) && picture.width > 0 && picture.height > 0; ++i) {
        const auto extent = extent_of(picture.format, picture.width, picture.height, i);
        const auto stride = static_cast<std::int32_t>(extent.row_bytes) + in.take<std::int8_t>() % 16;
        if (stride <= 0) return 0;
        planes.emplace_back(static_cast<std::size_t>(stride) * static_cast<std::size_t>(extent.rows - 1) +
                            extent.row_bytes);
        for (auto& b : planes.back())
            b = in.take<std::uint8_t>();
        picture.planes[static_cast<std::size_t>(i)] = {planes.back().data(), stride};
    }
    if (!check(picture)) return 0;
    const auto source = vision::make_sampling_source(picture);
    const vision::affine map{in.take<float>(), in.take<float>(), in.take<float>(),
                             in.take<float>(), in.take<float>(), in.take<float>()};
    for (const float v : {map.xx, map.xy, map.x0, map.yx, map.yy, map.y0}) {
        if (!(std::fabs(v) < 1e6f)) return 0;
    }
    constexpr std::int32_t side = 19;
    std::vector<float> fast(3 * side * side), slow(3 * side * side);
    vision::sample(source, map, vision::planes(fast.data(), side, side));
    vision::sample_reference(source, map, vision::planes(slow.data(), side, side));
    for (std::size_t i = 0; i < fast.size(); ++i) {
        if (!(std::fabs(fast[i] - slow[i]) <= 1.0f / 255)) __builtin_trap();
    }
    return 0;
}
