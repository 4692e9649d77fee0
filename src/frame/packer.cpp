// SPDX-License-Identifier: Apache-2.0
#include "frame/packer.hpp"

#include <algorithm>

#include "frame/layout.hpp"

namespace faceflow::internal {

void packer::pack(const image& from, std::byte* to) {
    const auto bands = static_cast<std::int32_t>(native_bytes(from.format, from.width, from.height) / band_bytes);
    workers_.for_each(std::max(bands, 1),
                      [&](std::int32_t i) { faceflow::internal::pack(from, to, i, std::max(bands, 1)); });
}

}  // namespace faceflow::internal
