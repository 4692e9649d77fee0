// SPDX-License-Identifier: Apache-2.0
// From a fragmented MP4, which reads whenever its writing stops, to an ordinary one with its index at the front.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/part_file.hpp"
#include "faceflow/result.hpp"

namespace faceflow::media {

// Copies all whole packets of the fragmented MP4 `from` (which may end anywhere) into `to`, an empty part, without coding them
// anew. `name` is what messages call it. Gives how many pictures there were. errc::corrupt when `from` holds no picture that
// reads; errc::io when `to` cannot be written; `from` is only read.
[[nodiscard]] result<std::uint64_t> make_ordinary_mp4(int from, int to, const std::filesystem::path& name);

// Makes an ordinary MP4 of a part that holds fragments. Where that cannot be done (no room for a second file, a disk that does not
// read) or fewer pictures than `expected` come of it, they stay, which players read as well, and `note` says so. errc::corrupt when
// none is expected and there is none.
struct whole_video {
    std::uint64_t pictures = 0;
    std::string note;  // empty: all is well
};
[[nodiscard]] result<whole_video> make_whole(part_file& part, const std::string& token, std::uint64_t expected = 0);

// Under which the second file grows; of no use to anybody when its program is killed.
[[nodiscard]] std::filesystem::path finishing_target(const std::filesystem::path& target);

}  // namespace faceflow::media
