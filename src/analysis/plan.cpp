#include "analysis/plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/nearest.hpp"
#include "device/emulated/link.hpp"
#include "flow/device_line.hpp"
#include "flow/stage_threads.hpp"
#include "flow/workspace.hpp"
#include "frame/layout.hpp"
#include "vision/detect.hpp"
#include "vision/records.hpp"

namespace faceflow::analysis {
namespace {

constexpr std::uint64_t alignment = 256;  // of every allocation on a device

std::uint64_t aligned(std::uint64_t bytes) {
    return (bytes + alignment - 1) / alignment * alignment;
}

result<void> check(const plan_request& r) {
    const auto refuse = [](std::string message) { return fail(errc::invalid_argument, std::move(message)); };
    if (r.cameras < 1 || r.cameras > 10000)
        return refuse(fmt::format("cameras must be from 1 to 10000, not {}", r.cameras));
    if (r.width < 1 || r.height < 1 || r.width > max_dimension || r.height > max_dimension) {
        return refuse(
            fmt::format("a frame must be from 1x1 to {0}x{0}, not {1}x{2}", max_dimension, r.width, r.height));
    }
    if (layout_of(r.format).planes == 0) return refuse("the pixel format has no layout");
    if (!(r.fps > 0 && r.fps <= 10000))
        return refuse(fmt::format("fps must be above 0 and at most 10000, not {}", r.fps));
    if (r.max_faces < 1 || r.max_faces > 1000)
        return refuse(fmt::format("max_faces must be from 1 to 1000, not {}", r.max_faces));
    if (r.faces < 0 || r.faces > r.max_faces)
        return refuse(fmt::format("faces must be from 0 to {}, not {}", r.max_faces, r.faces));
    if (r.detect_width < 64 || r.detect_height < 64 || r.detect_width % 32 != 0 || r.detect_height % 32 != 0)
        return refuse(fmt::format("the detector's size must be multiples of 32 from 64 on, not {}x{}", r.detect_width,
                                  r.detect_height));
    if (!(r.cache_ttl >= 0)) return refuse(fmt::format("the cache's time to live cannot be {} s", r.cache_ttl));
    if (r.flow != "fused" && r.flow != "threaded")
        return refuse(fmt::format("no plan for flow '{}'; there are: fused, threaded", r.flow));
    return {};
}

// RetinaFace's input and raw outputs (2 anchors a cell: 2 scores, 4 box and 10 keypoint values each), candidates, and the
// mesh model's batch.
std::uint64_t workspace_bytes(const plan_request& r) {
    const auto floats = [](std::uint64_t n) { return aligned(n * sizeof(float)); };
    const auto pixels = static_cast<std::uint64_t>(r.detect_width) * static_cast<std::uint64_t>(r.detect_height);
    constexpr std::uint64_t batch = flow::mesh_batch, side = flow::mesh_input_size;
    const flow::pass_shape shape{1, r.max_faces};
    std::uint64_t sum = floats(3 * pixels) + aligned(sizeof(vision::detect_scratch)) + aligned(shape.set_bytes()) +
                        aligned(shape.results_bytes()) + floats(batch * 3 * side * side) +
                        floats(batch * landmark_count * 3) + floats(batch);
    for (const std::uint64_t stride : {32, 16, 8}) {
        const std::uint64_t cells = pixels / (stride * stride);
        for (const std::uint64_t values : {2, 4, 10})
            sum += floats(2 * values * cells);
    }
    return sum;
}

void plan_transfers(plan_result& p, std::uint64_t frame_bytes, std::uint64_t result_bytes) {
    const plan_request& r = p.asked;
    p.host_to_device_per_frame = r.cache ? 1 : 2;
    p.host_to_device_bytes_per_frame = p.host_to_device_per_frame * static_cast<double>(frame_bytes);
    p.device_to_host_per_frame = 1;
    p.device_to_host_bytes_per_frame = static_cast<double>(result_bytes);
    // One wait for the results; a download into pageable memory waits for itself before that.
    p.syncs_per_frame = r.pinned ? 1 : 2;
    p.cache_hit_rate = r.cache ? 1 : 0;
}

void plan_link(plan_result& p, const link_model& link, std::uint64_t frame_bytes, std::uint64_t result_bytes) {
    const plan_request& r = p.asked;
    const auto milliseconds = [](std::int64_t ns) { return static_cast<double>(ns) / 1e6; };
    const double up = p.host_to_device_per_frame * milliseconds(link.engine_ns(true, frame_bytes));
    const double down = p.device_to_host_per_frame * milliseconds(link.engine_ns(false, result_bytes));
    double staging = 0;
    if (!r.pinned) {
        staging = p.host_to_device_per_frame * milliseconds(link.staging_ns(true, frame_bytes)) +
                  p.device_to_host_per_frame * milliseconds(link.staging_ns(false, result_bytes));
    }
    p.link_ms_per_frame = up + down + staging;
    p.link_busy_up = up * r.fps * r.cameras / 1000;
    p.link_busy_down = down * r.fps * r.cameras / 1000;
    const double busiest = std::max(up, down) * r.fps / 1000;  // of one camera
    p.cameras_the_link_carries = busiest > 0 ? static_cast<std::int64_t>(std::floor(1 / busiest)) : -1;
    if (busiest > 0 && p.cameras_the_link_carries < r.cameras)
        p.notes.push_back(fmt::format("the link carries {} of {} cameras", p.cameras_the_link_carries, r.cameras));
}

void plan_memory(plan_result& p, std::uint64_t frame_bytes) {
    const plan_request& r = p.asked;
    const bool threaded = r.flow == "threaded";
    const std::uint64_t places = threaded ? flow::stage_threads::places : 1;
    std::uint64_t cached = 0;
    if (r.cache) {
        const double wanted = std::ceil(r.cache_ttl * r.fps) * r.cameras;
        const auto room = std::floor(static_cast<double>(r.cache_bytes) / static_cast<double>(frame_bytes));
        cached = static_cast<std::uint64_t>(std::min(wanted, room));
        if (wanted > room) {
            p.notes.push_back(fmt::format(
                "the cache's {} MB hold {:.0f} of the {:.0f} frames of its time to live; the oldest go first",
                r.cache_bytes / 1'000'000, room, wanted));
        }
    }
    // A frame in work is in the cache too, unless it is uploaded twice.
    const std::uint64_t slots = r.cache ? cached + places : 2 * places;
    const std::uint64_t rounded =
        (slots + frame_store::slots_per_slab - 1) / frame_store::slots_per_slab * frame_store::slots_per_slab;
    p.frame_memory_bytes = rounded * aligned(frame_bytes);
    // Threaded: where each source's faces were left. Fused: the same for the one place of a pass.
    const std::uint64_t followed = aligned(flow::pass_shape{1, r.max_faces}.set_bytes());
    const auto lines = threaded ? static_cast<std::uint64_t>(r.cameras) : 1;
    p.model_memory_bytes = places * workspace_bytes(r) + lines * followed;
    p.device_memory_bytes = p.frame_memory_bytes + p.model_memory_bytes;
    p.fits = p.device_memory_bytes <= r.device_memory;
    if (!p.fits && r.cache)
        p.notes.emplace_back("cached frames give way when memory is short; --cache-ttl below 0.5 asks for less");
    if (p.model_memory_bytes + 2 * places * aligned(frame_bytes) > r.device_memory)
        p.notes.emplace_back("even without cached frames this is more than the device's pool");
}

}  // namespace

result<plan_result> plan(const plan_request& request) {
    if (auto r = check(request); !r) return tl::unexpected(std::move(r.error()));
    const auto link = find_link(request.link);
    if (!link) return tl::unexpected(link.error());

    plan_result p;
    p.asked = request;
    const std::uint64_t frame_bytes = native_bytes(request.format, request.width, request.height);
    const std::uint64_t result_bytes = vision::pass_results::bytes(1, flow::room_for(request.faces));
    plan_transfers(p, frame_bytes, result_bytes);
    plan_link(p, *link, frame_bytes, result_bytes);
    plan_memory(p, frame_bytes);
    return p;
}

result<pixel_format> find_pixel_format(std::string_view wanted) {
    std::vector<std::string> names;
    for (int i = 1; i < 256; ++i) {
        const auto format = static_cast<pixel_format>(i);
        if (layout_of(format).planes == 0) break;
        if (name(format) == wanted) return format;
        names.emplace_back(name(format));
    }
    const std::string_view near = nearest(wanted, names);
    return fail(
        errc::invalid_argument,
        fmt::format("unknown pixel format '{}'{}; there are: {}", wanted,
                    near.empty() ? std::string() : fmt::format(", did you mean '{}'?", near), fmt::join(names, ", ")));
}

}  // namespace faceflow::analysis
