// SPDX-License-Identifier: Apache-2.0
#include "media/emulated_hardware.hpp"

#include "frame/layout.hpp"
#include "media/pixel_format.hpp"

namespace faceflow::internal::media {
namespace {

class emulated_hardware final : public hardware {
public:
    explicit emulated_hardware(stream& by) : by_(by) {}

    void prepare(AVCodecContext&) const override {}

    AVPixelFormat layout_on_device(const AVFrame& decoded) const noexcept override {
        const auto format = static_cast<AVPixelFormat>(decoded.format);
        const bool plain =
            to_pixel_format(format) != pixel_format::none && to_pixel_format(format) != pixel_format::pal8;
        return plain ? format : AV_PIX_FMT_NONE;
    }

    result<void> copy(frame_ptr decoded, const image& facts, std::byte* slot) override {
        image picture = facts;
        for (std::size_t i = 0; i < static_cast<std::size_t>(plane_count(picture.format)); ++i)
            picture.planes[i] = {decoded->data[i], decoded->linesize[i]};
        by_.run([picture, to = by_.owner().kernel_address(slot),
                 kept = std::shared_ptr<const AVFrame>(std::move(decoded))]() -> result<void> {
            pack(picture, to);
            return {};
        });
        return {};
    }

private:
    stream& by_;
};

}  // namespace

result<std::unique_ptr<hardware>> open_emulated_hardware(stream& by) {
    return std::make_unique<emulated_hardware>(by);
}

}  // namespace faceflow::internal::media
