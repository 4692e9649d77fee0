// SPDX-License-Identifier: Apache-2.0
#include "media/record_reader.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace faceflow::internal::media {
namespace {
constexpr std::size_t longest_record = std::size_t{64} << 20;
constexpr std::size_t record_chunk = std::size_t{1} << 20;
}  // namespace

bool intact(std::string_view text) noexcept {
    return text.find('\0') == std::string_view::npos;
}

std::optional<std::string_view> record_reader::next(
    const std::function<std::size_t(std::string_view, std::size_t)>& find_end) {
    std::size_t looked = 0;
    for (;;) {
        const std::string_view ahead = std::string_view(text_).substr(begin_);
        const std::size_t end = find_end(ahead, looked);
        if (end != std::string_view::npos) {
            begin_ += end;
            whole_ += static_cast<off_t>(end);
            return ahead.substr(0, end);
        }
        // The record is too long, or contains data that never reached the disk.
        if (ahead.size() > longest_record || !intact(ahead.substr(looked))) return std::nullopt;
        looked = ahead.size();
        if (!read_more()) return std::nullopt;
    }
}

bool record_reader::read_more() {
    text_.erase(0, std::exchange(begin_, 0));
    const std::size_t held = text_.size();
    text_.resize(held + record_chunk);
    ssize_t got = -1;
    do {
        got = ::pread(descriptor_, text_.data() + held, record_chunk, read_);
    } while (got < 0 && errno == EINTR);
    text_.resize(held + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    read_ += std::max<ssize_t>(got, 0);
    return got > 0;
}

}  // namespace faceflow::internal::media
