// SPDX-License-Identifier: Apache-2.0
// GStreamer: appsrc ! shmsink in one process, shmsrc ! appsink in the other. Frames are written straight into shmsink's memory,
// whose allocator it offers to who asks; without that it would copy each frame once more.
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>

#include "measure.hpp"

namespace {

using namespace handoff;

std::string caps_of(const shape& s) {
    return std::string("video/x-raw,format=") + (s.bgr ? "BGR" : "NV12") + ",width=" + std::to_string(s.width) +
           ",height=" + std::to_string(s.height) + ",framerate=60/1";
}

GstElement* playing(const std::string& description) {
    gst_init(nullptr, nullptr);
    GError* why = nullptr;
    GstElement* const pipeline = gst_parse_launch(description.c_str(), &why);
    if (why != nullptr) {
        std::fprintf(stderr, "handoff: %s\n", why->message);
        return nullptr;
    }
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    return pipeline;
}

class into_shmsink final : public sender {
public:
    into_shmsink(GstElement* pipeline, const shape& form)
        : source_(GST_APP_SRC(gst_bin_get_by_name(GST_BIN(pipeline), "from"))) {
        GstCaps* const caps = gst_caps_from_string(caps_of(form).c_str());
        GstQuery* const asked = gst_query_new_allocation(caps, TRUE);
        GstPad* const pad = gst_element_get_static_pad(GST_ELEMENT(source_), "src");
        if (gst_pad_peer_query(pad, asked) && gst_query_get_n_allocation_params(asked) > 0)
            gst_query_parse_nth_allocation_param(asked, 0, &memory_, nullptr);
        if (memory_ == nullptr) std::fprintf(stderr, "handoff: shmsink offers no allocator\n");
    }
    bool send(const prepared& picture, std::uint64_t sequence) override {
        if (gst_app_src_get_current_level_buffers(source_) > 1) return false;
        GstBuffer* const b = gst_buffer_new_allocate(memory_, picture.pixels.size(), nullptr);
        if (b == nullptr) return false;
        // Its memory is full: what it gives then is not shared.
        if (memory_ != nullptr && gst_buffer_peek_memory(b, 0)->allocator != memory_) {
            gst_buffer_unref(b);
            return false;
        }
        GstMapInfo at;
        gst_buffer_map(b, &at, GST_MAP_WRITE);
        picture.write(reinterpret_cast<std::byte*>(at.data), sequence);
        gst_buffer_unmap(b, &at);
        return gst_app_src_push_buffer(source_, b) == GST_FLOW_OK;
    }

private:
    GstAppSrc* source_;
    GstAllocator* memory_ = nullptr;
};

class out_of_shmsrc final : public receiver {
public:
    explicit out_of_shmsrc(GstElement* pipeline) : sink_(GST_APP_SINK(gst_bin_get_by_name(GST_BIN(pipeline), "to"))) {}
    got next() override {
        sample_ = gst_app_sink_try_pull_sample(sink_, 100 * GST_MSECOND);
        if (sample_ == nullptr) return {};
        gst_buffer_map(gst_sample_get_buffer(sample_), &at_, GST_MAP_READ);
        const auto* const pixels = reinterpret_cast<const std::byte*>(at_.data);
        return {pixels, stamps_of(pixels)};
    }
    void release() override {
        gst_buffer_unmap(gst_sample_get_buffer(sample_), &at_);
        gst_sample_unref(sample_);
    }

private:
    GstAppSink* sink_;
    GstSample* sample_ = nullptr;
    GstMapInfo at_{};
};

}  // namespace

int main(int argc, char** argv) {
    const std::string path = "/tmp/faceflow-handoff-gstreamer-" + std::to_string(::getpid());
    const int rc = run(
        argc, argv,
        [&](const order& o, agreed&) -> std::unique_ptr<sender> {
            const std::size_t room = 4 * o.form.bytes() + (std::size_t{1} << 16);
            GstElement* const p = playing("appsrc name=from is-live=true format=time caps=" + caps_of(o.form) +
                                          " ! shmsink sync=false async=false " + "wait-for-connection=true shm-size=" +
                                          std::to_string(room) + " socket-path=" + path);
            if (p == nullptr) return nullptr;
            return std::make_unique<into_shmsink>(p, o.form);
        },
        [&](const order& o, agreed& with) -> std::unique_ptr<receiver> {
            with.wait_for(with.listening);
            while (::access(path.c_str(), F_OK) != 0)
                nap();
            GstElement* const p = playing("shmsrc is-live=true socket-path=" + path + " ! " + caps_of(o.form) +
                                          " ! appsink name=to sync=false max-buffers=2");
            if (p == nullptr) return nullptr;
            return std::make_unique<out_of_shmsrc>(p);
        });
    ::unlink(path.c_str());
    return rc;
}
