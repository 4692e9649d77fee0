// SPDX-License-Identifier: Apache-2.0
#include "core/option_names.hpp"
#include "faceflow/options.hpp"
#include "faceflow/result.hpp"
#include "faceflow/types.hpp"

namespace faceflow {
namespace {

template <std::size_t count>
std::string_view word_of(const std::array<std::string_view, count>& words, std::size_t number) noexcept {
    return number < count ? words[number] : "unknown";
}

}  // namespace

std::string_view name(errc code) noexcept {
    switch (code) {
        case errc::invalid_argument: return "invalid_argument";
        case errc::not_found: return "not_found";
        case errc::unsupported: return "unsupported";
        case errc::corrupt: return "corrupt";
        case errc::io: return "io";
        case errc::unavailable: return "unavailable";
        case errc::out_of_memory: return "out_of_memory";
        case errc::timeout: return "timeout";
        case errc::interrupted: return "interrupted";
        case errc::lost: return "lost";
        case errc::device_lost: return "device_lost";
        case errc::internal: return "internal";
    }
    return "unknown";
}

std::string_view name(pixel_format format) noexcept {
    switch (format) {
        case pixel_format::none: return "none";
        case pixel_format::gray8: return "gray8";
        case pixel_format::gray10le: return "gray10le";
        case pixel_format::gray12le: return "gray12le";
        case pixel_format::gray16le: return "gray16le";
        case pixel_format::nv12: return "nv12";
        case pixel_format::nv21: return "nv21";
        case pixel_format::nv16: return "nv16";
        case pixel_format::i420: return "i420";
        case pixel_format::i422: return "i422";
        case pixel_format::i440: return "i440";
        case pixel_format::i444: return "i444";
        case pixel_format::i411: return "i411";
        case pixel_format::i420_10le: return "i420_10le";
        case pixel_format::i422_10le: return "i422_10le";
        case pixel_format::i444_10le: return "i444_10le";
        case pixel_format::i420_12le: return "i420_12le";
        case pixel_format::i422_12le: return "i422_12le";
        case pixel_format::i444_12le: return "i444_12le";
        case pixel_format::p010le: return "p010le";
        case pixel_format::p012le: return "p012le";
        case pixel_format::yuyv422: return "yuyv422";
        case pixel_format::uyvy422: return "uyvy422";
        case pixel_format::rgb24: return "rgb24";
        case pixel_format::bgr24: return "bgr24";
        case pixel_format::rgba32: return "rgba32";
        case pixel_format::bgra32: return "bgra32";
        case pixel_format::argb32: return "argb32";
        case pixel_format::abgr32: return "abgr32";
        case pixel_format::gbrp: return "gbrp";
        case pixel_format::gbrp10le: return "gbrp10le";
        case pixel_format::pal8: return "pal8";
    }
    return "unknown";
}

std::string_view name(flow_kind kind) noexcept {
    return word_of(internal::option_names::flow, static_cast<std::size_t>(kind));
}

std::string_view name(inference_backend by) noexcept {
    return word_of(internal::option_names::inference, static_cast<std::size_t>(by));
}

std::string_view name(precision in) noexcept {
    return word_of(internal::option_names::precision, static_cast<std::size_t>(in));
}

std::string_view name(detect_mode when) noexcept {
    return word_of(internal::option_names::detect, static_cast<std::size_t>(when));
}

std::string_view name(landmark_model by) noexcept {
    return word_of(internal::option_names::landmarks, static_cast<std::size_t>(by));
}

std::string_view name(pose_convention by) noexcept {
    return word_of(internal::option_names::pose_convention, static_cast<std::size_t>(by));
}

}  // namespace faceflow
