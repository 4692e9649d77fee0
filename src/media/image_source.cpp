// SPDX-License-Identifier: Apache-2.0
// Pictures as a video of 25 frames a second, each decoded on its own.
#include <cmath>
#include <optional>

#include "core/try.hpp"
#include "media/counts.hpp"
#include "media/picture.hpp"
#include "media/sources.hpp"

namespace faceflow::internal::media {

namespace {

constexpr double pictures_per_second = 25;
constexpr std::int64_t picture_ns = 40'000'000;

// The number of pictures before a time.
std::size_t pictures_before(double seconds, std::size_t all) {
    // Rounded to the nanosecond first: 0.12 s is picture 3, although 0.12 * 25 is a hair above it.
    const std::int64_t ns = std::llround(seconds * 1e9);
    return std::min(static_cast<std::size_t>((ns + picture_ns - 1) / picture_ns), all);
}

class image_source final : public source {
public:
    image_source(std::string input, source_kind kind, picture_list pictures, const source_options& options)
        : paths_(std::move(pictures.paths)),
          options_(options),
          guard_(options.stop) {
        info_.input = std::move(input);
        info_.files = paths_;
        if (std::string note = describe_left_out(pictures, info_.input); !note.empty())
            info_.notes.push_back(std::move(note));
        survived_.add("left_out", pictures.left_out.size());
        info_.kind = kind;
        info_.pictures = true;
        info_.frames_per_second = pictures_per_second;
        next_ = pictures_before(options.start_seconds.value_or(0), paths_.size());
        end_ = options.end_seconds ? pictures_before(*options.end_seconds, paths_.size()) : paths_.size();
        info_.frames = static_cast<std::int64_t>(end_ > next_ ? end_ - next_ : 0);
    }

    // A single picture that does not decode is an input error; one of many is an error when its turn comes.
    result<void> open() {
        if (next_ >= end_) {
            return fail(errc::invalid_argument,
                        "no picture of " + info_.input + " lies between the given start and end");
        }
        ahead_ = read();
        if (!*ahead_) return paths_.size() == 1 ? tl::unexpected(ahead_->error()) : result<void>();
        const image& picture = (*ahead_)->frame.picture;
        info_.width = picture.upright_width();
        info_.height = picture.upright_height();
        return {};
    }

    const source_info& info() const noexcept override { return info_; }
    void interrupt() noexcept override { guard_.interrupt(); }
    std::map<std::string, std::uint64_t> survived() const override { return survived_.get(); }

    result<std::optional<read_frame>> next() override {
        if (guard_.interrupted()) return fail(errc::interrupted, "stopped while reading " + info_.input);
        if (!ahead_ && next_ >= end_) return std::optional<read_frame>();
        auto frame = ahead_ ? std::move(*ahead_) : read();
        ahead_.reset();
        if (!frame) return tl::unexpected(frame.error());
        return std::optional(std::move(*frame));
    }

private:
    result<read_frame> read() {
        const std::size_t index = next_++;
        const std::string& path = paths_[index];
        auto decoded = decode(path);
        if (!decoded) {
            survived_.add("corrupt_picture");
            return tl::unexpected(decoded.error());
        }
        decoded->path = path;
        decoded->frame.id = {options_.number, sequence_++};
        decoded->frame.pts_ns = static_cast<std::int64_t>(index) * picture_ns;
        decoded->frame.still = true;
        decoded->frame.captured = std::chrono::steady_clock::now();
        return decoded;
    }

    result<read_frame> decode(const std::string& path) {
        FACEFLOW_ASSIGN(auto picture, decode_picture(path, options_.stop));
        if (info_.codec.empty()) info_.codec = picture.codec;
        survived_.add("damaged_frame", picture.damaged ? 1 : 0);
        survived_.add("converted_pixel_format", picture.mapped.converted ? 1 : 0);
        turn_further(picture.mapped.picture, options_.turn);
        survived_.add("first_picture_only", picture.left.empty() ? 0 : 1);
        read_frame frame;
        frame.frame.picture = picture.mapped.picture;
        frame.frame.owner = std::move(picture.mapped.owner);
        frame.note = std::move(picture.left);
        return frame;
    }

    std::vector<std::string> paths_;
    source_options options_;
    io_guard guard_;
    source_info info_;
    survival_counts survived_;
    std::optional<result<read_frame>> ahead_;
    std::size_t next_ = 0;
    std::size_t end_ = 0;
    std::uint64_t sequence_ = 0;
};

}  // namespace

result<std::unique_ptr<source>> open_image_source(const std::string& input, source_kind kind, picture_list pictures,
                                                  const source_options& options) {
    auto made = std::make_unique<image_source>(input, kind, std::move(pictures), options);
    FACEFLOW_TRY(made->open());
    return made;
}

}  // namespace faceflow::internal::media
