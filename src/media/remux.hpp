// SPDX-License-Identifier: Apache-2.0
// Turns a fragmented MP4, which is readable wherever its writing stopped, into an ordinary one with its index at the
// front.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/part_file.hpp"
#include "faceflow/result.hpp"

namespace faceflow::internal::media {

// Copies all whole packets of the fragmented MP4 `from` (which may end anywhere) into `to`, an empty part, without
// re-encoding. Messages use `name`. Returns the number of pictures. errc::corrupt when `from` holds no readable
// picture; errc::io when `to` cannot be written; `from` is only read.
[[nodiscard]] result<std::uint64_t> make_ordinary_mp4(int from, int to, const std::filesystem::path& name);

// Turns a part with fragments into an ordinary MP4. If that fails (no room for a second file, a read error) or yields
// fewer pictures than `expected`, the fragments stay, which players read as well, and `note` says so. errc::corrupt
// when none is expected and there is none.
struct whole_video {
    std::uint64_t pictures = 0;
    std::string note;  // empty: success
};
[[nodiscard]] result<whole_video> make_whole(part_file& part, const std::string& token, std::uint64_t expected = 0);

// The temporary name of the second file; useless if the program is killed.
[[nodiscard]] std::filesystem::path finishing_target(const std::filesystem::path& target);

}  // namespace faceflow::internal::media
