// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/measures.hpp"
#include "analysis/plan.hpp"

namespace faceflow::internal::analysis {
namespace {

std::string grouped(double value) {
    measure m;
    m.decimals = 0;
    return number(m, value);
}

// "cache off", or "no cache" if the flow has none.
std::string switch_text(std::string_view name, bool on, bool there) {
    return there ? fmt::format("{} {}", name, on ? "on" : "off") : fmt::format("no {}", name);
}

std::string switches_text(const plan_request& r) {
    plan_request all = r;
    all.cache = all.batch = all.pinned = true;
    all = effective_request(all);
    return fmt::format("{}, {}, {}", switch_text("cache", r.cache, all.cache), switch_text("batch", r.batch, all.batch),
                       switch_text("pinned", r.pinned, all.pinned));
}

std::string mebibytes(std::uint64_t bytes) {
    return fmt::format("{:.1f}", static_cast<double>(bytes) / 0x1p20);
}

void add_line(std::string& out, std::string_view title, const std::string& value) {
    out += fmt::format("  {:<30} {}\n", title, value);
}

}  // namespace

std::string render_plan(const plan_result& p) {
    const plan_request& r = p.asked;
    const double frames = r.cameras * r.fps;
    std::string out = fmt::format("{} camera{} of {}x{} {} at {} fps, {} face{} a frame, flow {}, link {}\n", r.cameras,
                                  r.cameras == 1 ? "" : "s", r.width, r.height, name(r.format), plain(r.fps, 3),
                                  r.faces, r.faces == 1 ? "" : "s", name(r.flow), r.link);
    out += switches_text(r) + "\n\n";
    const auto way = [&](double transfers, double bytes) {
        return fmt::format("{} transfer{} of {} bytes in all", plain(transfers), transfers == 1 ? "" : "s",
                           grouped(bytes));
    };
    out += "per frame\n";
    add_line(out, "host->device", way(p.host_to_device_per_frame, p.host_to_device_bytes_per_frame));
    add_line(out, "device->host", way(p.device_to_host_per_frame, p.device_to_host_bytes_per_frame));
    add_line(out, "host syncs", plain(p.syncs_per_frame));
    add_line(out, "time on the link", fmt::format("{:.3f} ms", p.link_ms_per_frame));

    out += "\nper second, all cameras\n";
    const double bytes = p.host_to_device_bytes_per_frame + p.device_to_host_bytes_per_frame;
    add_line(out, "transfers", plain((p.host_to_device_per_frame + p.device_to_host_per_frame) * frames, 1));
    add_line(out, "bytes", fmt::format("{:.1f} MB", bytes * frames / 1e6));
    add_line(out, "link busy up, down",
             fmt::format("{:.1f} %, {:.1f} %", p.link_busy_up * 100, p.link_busy_down * 100));
    add_line(out, "cameras that the link carries",
             p.cameras_the_link_carries < 0 ? "any number" : fmt::format("{}", p.cameras_the_link_carries));

    out += "\ndevice memory\n";
    add_line(out, "frames, cached and in work", mebibytes(p.frame_memory_bytes) + " MiB");
    add_line(out, "models' inputs and results", mebibytes(p.model_memory_bytes) + " MiB");
    add_line(out, "in all",
             fmt::format("{} of {} MiB: {}", mebibytes(p.device_memory_bytes), mebibytes(r.device_memory),
                         p.fits ? "fits" : "does not fit"));
    if (p.pool_limit_bytes < r.device_memory) {
        for (const planned_pool& pool : p.pools) {
            add_line(out, fmt::format("  of the process {}", pool.process),
                     fmt::format("{} of {} MiB", mebibytes(pool.bytes()), mebibytes(p.pool_limit_bytes)));
        }
    }
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
    j["flow"] = name(r.flow);
    const plan_request gone_by = effective_request(r);
    j["cache"] = gone_by.cache;
    j["batch"] = gone_by.batch;
    j["pinned"] = gone_by.pinned;
    j["host_to_device_per_frame"] = p.host_to_device_per_frame;
    j["host_to_device_bytes_per_frame"] = p.host_to_device_bytes_per_frame;
    j["device_to_host_per_frame"] = p.device_to_host_per_frame;
    j["device_to_host_bytes_per_frame"] = p.device_to_host_bytes_per_frame;
    j["syncs_per_frame"] = p.syncs_per_frame;
    j["cache_hit_rate"] = p.cache_hit_rate ? nlohmann::ordered_json(*p.cache_hit_rate) : nullptr;
    j["first_frame_more"] = {{"device_to_host", p.first_frame.device_to_host},
                             {"device_to_host_bytes", p.first_frame.device_to_host_bytes},
                             {"syncs", p.first_frame.syncs}};
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
    auto& pools = j["pools"] = nlohmann::ordered_json::array();
    for (const planned_pool& pool : p.pools)
        pools.push_back({{"process", pool.process}, {"bytes", pool.bytes()}, {"limit_bytes", p.pool_limit_bytes}});
    j["fits"] = p.fits;
    j["notes"] = p.notes;
    return j.dump(2) + "\n";
}

}  // namespace faceflow::internal::analysis
