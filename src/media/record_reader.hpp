// SPDX-License-Identifier: Apache-2.0
// Reads files of rows that a run left when it was killed, as far as they are whole.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace faceflow::media {

// The rows of such a file that are whole: its first `bytes`.
struct whole_rows {
    off_t bytes = 0;
    std::optional<std::uint64_t> frames;  // none: not every frame has a row
    std::uint64_t faces = 0;
};

// Blocks that never reached the disk are zeros after a power cut.
[[nodiscard]] bool intact(std::string_view text) noexcept;

// Reads a file record by record, from its beginning. The descriptor's own position is not moved.
class record_reader {
public:
    explicit record_reader(int descriptor) : descriptor_(descriptor) {}

    // The next whole record, valid until the next call; nullopt when there is none. `find_end` is given a text that begins with it,
    // and where in it to go on looking, and gives the record's end, or npos where that is not in the text.
    std::optional<std::string_view> next(const std::function<std::size_t(std::string_view, std::size_t)>& find_end);

    // Of the file, up to the end of the last record.
    [[nodiscard]] off_t bytes() const noexcept { return whole_; }

private:
    bool read_more();

    int descriptor_;
    std::string text_;
    std::size_t begin_ = 0;       // of what no record has been made of, in the text
    off_t read_ = 0, whole_ = 0;  // in the file
};

}  // namespace faceflow::media
