// SPDX-License-Identifier: Apache-2.0
// The two kinds of source behind open_source().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "media/io_guard.hpp"
#include "media/natural_order.hpp"
#include "media/source.hpp"

namespace faceflow::internal::media {

// Files, cameras, streams and standard input.
[[nodiscard]] result<std::unique_ptr<source>> open_demux_source(const std::string& input, source_kind kind,
                                                                const source_options& options);

// Pictures, one per file. `input` is what the user wrote; `pictures` is its expansion, in order, not empty.
[[nodiscard]] result<std::unique_ptr<source>> open_image_source(const std::string& input, source_kind kind,
                                                                picture_list pictures, const source_options& options);

// Whether the file's content is a single still picture.
[[nodiscard]] bool is_picture(const std::string& path);

}  // namespace faceflow::internal::media
