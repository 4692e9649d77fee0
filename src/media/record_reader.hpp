// SPDX-License-Identifier: Apache-2.0
// Reads the whole records of row files that a killed run left.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace faceflow::internal::media {

// The whole rows of such a file: its first `bytes`.
struct whole_rows {
    off_t bytes = 0;
    std::optional<std::uint64_t> frames;  // nullopt: not every frame has a row
    std::uint64_t faces = 0;
};

// False for zeros: blocks that never reached the disk are zeros after a power cut.
[[nodiscard]] bool intact(std::string_view text) noexcept;

// Reads a file record by record from its beginning, without moving the descriptor's position.
class record_reader {
public:
    explicit record_reader(int descriptor) : descriptor_(descriptor) {}

    // The next whole record, valid until the next call; nullopt when there is none. `find_end` gets a text that begins
    // with the record and the offset to continue the search from; it returns the record's end, or npos if that is not
    // in the text.
    std::optional<std::string_view> next(const std::function<std::size_t(std::string_view, std::size_t)>& find_end);

    // Bytes of the file up to the end of the last record.
    [[nodiscard]] off_t bytes() const noexcept { return whole_; }

private:
    bool read_more();

    int descriptor_;
    std::string text_;
    std::size_t begin_ = 0;       // start of the unprocessed part of text_
    off_t read_ = 0, whole_ = 0;  // offsets in the file
};

}  // namespace faceflow::internal::media
