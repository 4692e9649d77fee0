// SPDX-License-Identifier: Apache-2.0
// A file that may be a picture: opened with care, and recognised by its content.
#pragma once

#include <sys/types.h>

#include <string>

#include "core/unique_fd.hpp"
#include "media/ffmpeg.hpp"

namespace faceflow::internal::media {

enum class picture_form {
    none,       // unknown to libavformat: a text, junk
    other,      // known, but no still: a video, an animated GIF, sound
    coded,      // a decoder takes the file as it is
    contained,  // libavformat extracts the picture (ICO, a GIF with one picture)
    heif        // HEIC, AVIF
};

struct picture_kind {
    picture_form form = picture_form::none;
    AVCodecID codec = AV_CODEC_ID_NONE;  // for picture_form::coded
};

class picture_file {
public:
    // Never blocks: a FIFO among the pictures may have no writer. Every error is errc::corrupt, whatever its cause, and
    // names the path.
    [[nodiscard]] static result<picture_file> open(const std::string& path);

    [[nodiscard]] int descriptor() const noexcept { return file_.get(); }
    [[nodiscard]] off_t size() const noexcept { return size_; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    // Whether it is a still picture.
    [[nodiscard]] static bool is_still(const picture_kind& kind) noexcept {
        return kind.form != picture_form::none && kind.form != picture_form::other;
    }

    // By content, since names may be wrong; by name only if the format has no signature.
    [[nodiscard]] result<picture_kind> kind() const;

    // The first `size` bytes.
    [[nodiscard]] result<void> read(std::uint8_t* to, std::size_t size) const;

private:
    picture_file(std::string path, unique_fd file, off_t size)
        : path_(std::move(path)),
          file_(std::move(file)),
          size_(size) {}

    std::string path_;
    unique_fd file_;
    off_t size_;
};

// picture_form::none for a file that cannot be opened.
[[nodiscard]] picture_kind kind_of_file(const std::string& path);

}  // namespace faceflow::internal::media
