// SPDX-License-Identifier: Apache-2.0
#include "media/cuda/nvdec.hpp"

#include <dlfcn.h>

extern "C" {
#include <libavutil/hwcontext.h>
#include <libavutil/hwcontext_cuda.h>
}

#include <deque>
#include <utility>

#include "core/try.hpp"
#include "device/cuda/cuda_context.hpp"
#include "device/cuda/cuda_stream.hpp"
#include "frame/layout.hpp"

namespace faceflow::internal::media {
namespace {

// Limit of frames waiting for their copy: surfaces beyond what the codec itself needs.
constexpr int max_held = 4;

struct buffer_deleter {
    void operator()(AVBufferRef* reference) const noexcept { av_buffer_unref(&reference); }
};
using buffer_ptr = std::unique_ptr<AVBufferRef, buffer_deleter>;

// Whether NVDEC's output for this format is one that faceflow supports: NV12, P010 or planar 4:4:4 for 8 bits; 16-bit
// formats for other depths.
bool fits(AVPixelFormat coded) {
    const AVPixFmtDescriptor* about = av_pix_fmt_desc_get(coded);
    if (about == nullptr || about->nb_components < 3) return false;
    const int depth = about->comp[0].depth;
    if (about->log2_chroma_w == 1 && about->log2_chroma_h == 1) return depth == 8 || depth == 10;
    return about->log2_chroma_w == 0 && about->log2_chroma_h == 0 && depth == 8;
}

// Prefers the card; what it cannot decode goes to the software decoder.
AVPixelFormat choose_format(AVCodecContext* context, const AVPixelFormat* offered) {
    for (const AVPixelFormat* f = offered; *f != AV_PIX_FMT_NONE; ++f) {
        if (*f == AV_PIX_FMT_CUDA && fits(context->sw_pix_fmt)) return *f;
    }
    for (const AVPixelFormat* f = offered; *f != AV_PIX_FMT_NONE; ++f) {
        const AVPixFmtDescriptor* about = av_pix_fmt_desc_get(*f);
        if (about != nullptr && (about->flags & AV_PIX_FMT_FLAG_HWACCEL) == 0) return *f;
    }
    return AV_PIX_FMT_NONE;
}

bool decodes_on_cuda(const AVCodec& codec) {
    for (int i = 0;; ++i) {
        const AVCodecHWConfig* way = avcodec_get_hw_config(&codec, i);
        if (way == nullptr) return false;
        if (way->device_type == AV_HWDEVICE_TYPE_CUDA && (way->methods & AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX) != 0)
            return true;
    }
}

class nvdec final : public hardware {
public:
    nvdec(stream& by, buffer_ptr context) : by_(static_cast<cuda_stream&>(by)), context_(std::move(context)) {}

    void prepare(AVCodecContext& context) const override {
        if (!decodes_on_cuda(*context.codec)) return;
        context.hw_device_ctx = av_buffer_ref(context_.get());
        context.get_format = choose_format;
        context.extra_hw_frames = max_held + 1;
        context.thread_count = 1;  // the card does the work
    }

    AVPixelFormat layout_on_device(const AVFrame& decoded) const noexcept override {
        if (decoded.format != AV_PIX_FMT_CUDA || decoded.hw_frames_ctx == nullptr) return AV_PIX_FMT_NONE;
        return reinterpret_cast<const AVHWFramesContext*>(decoded.hw_frames_ctx->data)->sw_format;
    }

    result<void> copy(frame_ptr decoded, const image& facts, std::byte* slot) override;
    void forget() override;

private:
    struct held {
        frame_ptr decoded;
        std::unique_ptr<event> copied;
    };
    [[nodiscard]] result<std::unique_ptr<event>> take_event();

    cuda_stream& by_;
    const buffer_ptr context_;
    std::deque<held> held_;  // in the stream's order
};

// Reuses the event of a frame that has been copied, or makes a new one.
result<std::unique_ptr<event>> nvdec::take_event() {
    std::unique_ptr<event> spare;
    while (!held_.empty() && (held_.front().copied->done() || held_.size() >= max_held)) {
        FACEFLOW_TRY(wait_until_done(by_.owner(), *held_.front().copied, {stage::capture, {}}));
        spare = std::move(held_.front().copied);
        held_.pop_front();
    }
    if (spare != nullptr) return spare;
    return by_.owner().make_event();
}

void nvdec::forget() {
    // If the wait fails, there is nothing better to do than to continue.
    for (const held& h : held_)
        [[maybe_unused]] const auto ignored = wait_until_done(by_.owner(), *h.copied, {stage::capture, {}});
    held_.clear();
}

result<void> nvdec::copy(frame_ptr decoded, const image& facts, std::byte* slot) {
    FACEFLOW_ASSIGN(auto copied, take_event());
    for (int i = 0; i < plane_count(facts.format); ++i) {
        const plane_extent extent = extent_of(facts.format, facts.width, facts.height, i);
        by_.submit("cudaMemcpy2DAsync", [&](cudaStream_t handle) {
            return cudaMemcpy2DAsync(slot, extent.row_bytes, decoded->data[i],
                                     static_cast<std::size_t>(decoded->linesize[i]), extent.row_bytes,
                                     static_cast<std::size_t>(extent.rows), cudaMemcpyDeviceToDevice, handle);
        });
        slot += extent.bytes();
    }
    by_.record(*copied);
    held_.push_back({std::move(decoded), std::move(copied)});
    return {};
}

}  // namespace

// The context is filled in by hand: av_hwdevice_ctx_create refuses a primary context with flags other than its own.
result<std::unique_ptr<hardware>> open_nvdec(stream& by) {
    // If the library is missing, FFmpeg notices it only at the first frame and then decodes on one core of the host.
    // Containers often lack it.
    if (void* const decoder = dlopen("libnvcuvid.so.1", RTLD_NOW | RTLD_LOCAL); decoder == nullptr) {
        return fail(errc::unavailable,
                    "the driver's video decoder, libnvcuvid.so.1, is not there (containers need the driver capability "
                    "'video'); use --decode cpu");
    } else {
        dlclose(decoder);
    }
    const current_device scope(by.owner().index());
    FACEFLOW_ASSIGN(auto context, current_context());
    buffer_ptr made(av_hwdevice_ctx_alloc(AV_HWDEVICE_TYPE_CUDA));
    if (made == nullptr) return fail(errc::unavailable, "this FFmpeg is built without CUDA: use --decode cpu");
    auto* const about = reinterpret_cast<AVHWDeviceContext*>(made->data);
    auto* const cuda = static_cast<AVCUDADeviceContext*>(about->hwctx);
    cuda->cuda_ctx = context;
    cuda->stream = native(by);
    if (const int code = av_hwdevice_ctx_init(made.get()); code < 0) {
        return fail(errc::unavailable, "FFmpeg cannot decode on CUDA: " + libav_message(code) + "; use --decode cpu");
    }
    return std::make_unique<nvdec>(by, std::move(made));
}

}  // namespace faceflow::internal::media
