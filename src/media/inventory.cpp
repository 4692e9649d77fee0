// SPDX-License-Identifier: Apache-2.0
#include "media/inventory.hpp"

#include <fcntl.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#include <unistd.h>

extern "C" {
#include <libavutil/hwcontext.h>
}

#include <algorithm>
#include <filesystem>
#include <optional>

#include "media/ffmpeg.hpp"
#include "media/natural_order.hpp"

namespace faceflow::internal::media {

namespace {

// nullopt: not a capture device (a metadata node, an encoder).
std::optional<camera> ask(const std::string& path) {
    camera found{path, "", false};
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return found;
    v4l2_capability about{};
    const bool answered = ::ioctl(fd, VIDIOC_QUERYCAP, &about) == 0;
    ::close(fd);
    if (!answered) return std::nullopt;
    const std::uint32_t able =
        (about.capabilities & V4L2_CAP_DEVICE_CAPS) != 0 ? about.device_caps : about.capabilities;
    if ((able & (V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_CAPTURE_MPLANE)) == 0) return std::nullopt;
    const auto* card = static_cast<const char*>(static_cast<const void*>(about.card));
    found.name.assign(card, std::find(card, card + sizeof about.card, '\0'));
    found.readable = true;
    return found;
}

}  // namespace

std::vector<camera> list_cameras() {
    std::vector<camera> cameras;
    std::error_code code;
    for (std::filesystem::directory_iterator entry("/dev", code), end; !code && entry != end; entry.increment(code)) {
        const std::string path = entry->path().string();
        if (!path.starts_with("/dev/video")) continue;
        if (auto found = ask(path)) cameras.push_back(std::move(*found));
    }
    std::ranges::sort(cameras, natural_less, &camera::path);
    return cameras;
}

std::string ffmpeg_version() {
    return av_version_info();
}

std::vector<std::string> hardware_decoders() {
    prepare_libav();
    std::vector<std::string> kinds;
    for (AVHWDeviceType type = AV_HWDEVICE_TYPE_NONE;
         (type = av_hwdevice_iterate_types(type)) != AV_HWDEVICE_TYPE_NONE;) {
        AVBufferRef* device = nullptr;
        const bool opens = av_hwdevice_ctx_create(&device, type, nullptr, nullptr, 0) >= 0;
        av_buffer_unref(&device);
        kinds.push_back(std::string(av_hwdevice_get_type_name(type)) + (opens ? "" : " (not available here)"));
    }
    return kinds;
}

}  // namespace faceflow::internal::media
