#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/measures.hpp"
#include "analysis/plan.hpp"

namespace faceflow::analysis {
namespace {

constexpr double mebibyte = 1024.0 * 1024.0;

std::string grouped(double value) {
    measure m;
    m.decimals = 0;
    return number(m, value);
}

std::string on_off(bool on) {
    return on ? "on" : "off";
}

void line(std::string& out, std::string_view title, const std::string& value) {
    out += fmt::format("  {:<30} {}\n", title, value);
}

}  // namespace

std::string render_plan(const plan_result& p) {
    const plan_request& r = p.asked;
    const double frames = r.cameras * r.fps;
    std::string out = fmt::format("{} camera{} of {}x{} {} at {} fps, {} face{} a frame, flow {}, link {}\n", r.cameras,
                                  r.cameras == 1 ? "" : "s", r.width, r.height, name(r.format), plain(r.fps, 3),
                                  r.faces, r.faces == 1 ? "" : "s", r.flow, r.link);
    out += fmt::format("cache {}, batch {}, pinned {}\n\n", on_off(r.cache), on_off(r.batch), on_off(r.pinned));
    const auto way = [&](double transfers, double bytes) {
        return fmt::format("{} transfer{} of {} bytes in all", plain(transfers), transfers == 1 ? "" : "s",
                           grouped(bytes));
    };
    out += "per frame\n";
    line(out, "host->device", way(p.host_to_device_per_frame, p.host_to_device_bytes_per_frame));
    line(out, "device->host", way(p.device_to_host_per_frame, p.device_to_host_bytes_per_frame));
    line(out, "host syncs", plain(p.syncs_per_frame));
    line(out, "time on the link", fmt::format("{:.3f} ms", p.link_ms_per_frame));

    out += "\nper second, all cameras\n";
    const double bytes = p.host_to_device_bytes_per_frame + p.device_to_host_bytes_per_frame;
    line(out, "transfers", plain((p.host_to_device_per_frame + p.device_to_host_per_frame) * frames, 1));
    line(out, "bytes", fmt::format("{:.1f} MB", bytes * frames / 1e6));
    line(out, "link busy up, down", fmt::format("{:.1f} %, {:.1f} %", p.link_busy_up * 100, p.link_busy_down * 100));
    line(out, "cameras that the link carries",
         p.cameras_the_link_carries < 0 ? "any number" : fmt::format("{}", p.cameras_the_link_carries));

    out += "\ndevice memory\n";
    line(out, "frames, cached and in work",
         fmt::format("{:.1f} MiB", static_cast<double>(p.frame_memory_bytes) / mebibyte));
    line(out, "models' inputs and results",
         fmt::format("{:.1f} MiB", static_cast<double>(p.model_memory_bytes) / mebibyte));
    line(out, "in all",
         fmt::format("{:.1f} of {:.1f} MiB: {}", static_cast<double>(p.device_memory_bytes) / mebibyte,
                     static_cast<double>(r.device_memory) / mebibyte, p.fits ? "fits" : "does not fit"));
    for (const auto& note : p.notes)
        out += "\nnote: " + note;
    return p.notes.empty() ? out : out + "\n";
}

std::string render_plan_json(const plan_result& p) {
    const plan_request& r = p.asked;
    nlohmann::ordered_json j;
    j["cameras"] = r.cameras;
    j["width"] = r.width;
    j["height"] = r.height;
    j["format"] = name(r.format);
    j["camera_fps"] = r.fps;
    j["faces"] = r.faces;
    j["link"] = r.link;
    j["flow"] = r.flow;
    j["cache"] = r.cache;
    j["batch"] = r.batch;
    j["pinned"] = r.pinned;
    j["host_to_device_per_frame"] = p.host_to_device_per_frame;
    j["host_to_device_bytes_per_frame"] = p.host_to_device_bytes_per_frame;
    j["device_to_host_per_frame"] = p.device_to_host_per_frame;
    j["device_to_host_bytes_per_frame"] = p.device_to_host_bytes_per_frame;
    j["syncs_per_frame"] = p.syncs_per_frame;
    j["cache_hit_rate"] = p.cache_hit_rate;
    j["link_ms_per_frame"] = p.link_ms_per_frame;
    j["link_busy_fraction"] = {{"host_to_device", p.link_busy_up}, {"device_to_host", p.link_busy_down}};
    if (p.cameras_the_link_carries < 0)
        j["cameras_the_link_carries"] = nullptr;
    else
        j["cameras_the_link_carries"] = p.cameras_the_link_carries;
    j["frame_memory_bytes"] = p.frame_memory_bytes;
    j["model_memory_bytes"] = p.model_memory_bytes;
    j["device_memory_bytes"] = p.device_memory_bytes;
    j["device_memory_limit_bytes"] = r.device_memory;
    j["fits"] = p.fits;
    j["notes"] = p.notes;
    return j.dump(2) + "\n";
}

}  // namespace faceflow::analysis
