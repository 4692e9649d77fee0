// SPDX-License-Identifier: Apache-2.0
#include "analysis/plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/nearest.hpp"
#include "core/option_error.hpp"
#include "core/try.hpp"
#include "device/emulated/link.hpp"
#include "flow/flow.hpp"
#include "flow/option_table.hpp"
#include "frame/layout.hpp"

namespace faceflow::internal::analysis {
namespace {

result<void> check(const plan_request& r) {
    const auto refuse = [](std::string message) { return fail(errc::invalid_argument, std::move(message)); };
    FACEFLOW_TRY(expect_between("cameras", r.cameras, 1, 10000));
    if (r.width < 1 || r.height < 1 || r.width > max_dimension || r.height > max_dimension) {
        return refuse(
            fmt::format("a frame must be from 1x1 to {0}x{0}, not {1}x{2}", max_dimension, r.width, r.height));
    }
    if (layout_of(r.format).planes == 0) return refuse("the pixel format has no layout");
    if (!(r.fps > 0 && r.fps <= 10000))
        return fail_option("fps", fmt::format("must be above 0 and at most 10000, not {}", r.fps));
    constexpr auto max_faces = flow::row_of<&options::max_faces>();
    FACEFLOW_TRY(expect_between(max_faces.name, r.max_faces, max_faces.range->least, max_faces.range->most));
    FACEFLOW_TRY(expect_between("faces", r.faces, 0, r.max_faces));
    if (r.detect_width < 64 || r.detect_height < 64 || r.detect_width % 32 != 0 || r.detect_height % 32 != 0)
        return refuse(fmt::format("the detector's size must be multiples of 32 from 64 on, not {}x{}", r.detect_width,
                                  r.detect_height));
    if (!(r.cache_ttl >= 0)) return refuse(fmt::format("the cache's time to live cannot be {} s", r.cache_ttl));
    return {};
}

void plan_transfers(plan_result& p, const flow::flow_plan& from) {
    for (const flow::planned_move& m : from.moves) {
        const auto times = static_cast<double>(m.times);
        (m.up ? p.host_to_device_per_frame : p.device_to_host_per_frame) += times;
        (m.up ? p.host_to_device_bytes_per_frame : p.device_to_host_bytes_per_frame) +=
            times * static_cast<double>(m.bytes);
    }
    p.syncs_per_frame = static_cast<double>(from.syncs);
    p.cache_hit_rate = from.cache_hit_rate;
    p.first_frame = from.first;
    if (from.first.device_to_host > 0) {
        p.notes.emplace_back(
            "the first frame takes one more download: the flow does not know yet how many faces there are");
    }
}

void plan_link(plan_result& p, const link_model& link, const flow::flow_plan& from, bool pinned) {
    const plan_request& r = p.asked;
    std::int64_t all_ns = 0, up_ns = 0, down_ns = 0;  // up_ns, down_ns: time of the copy engines
    for (const flow::planned_move& m : from.moves) {
        all_ns += m.times * link.copy_ns(m.up, m.bytes, pinned);
        (m.up ? up_ns : down_ns) += m.times * link.engine_ns(m.up, m.bytes);
    }
    p.link_ms_per_frame = static_cast<double>(all_ns) / 1e6;
    const auto busy = [&](std::int64_t ns) { return static_cast<double>(ns) / 1e9 * r.fps; };  // of one camera
    p.link_busy_up = busy(up_ns) * r.cameras;
    p.link_busy_down = busy(down_ns) * r.cameras;
    const double busiest = std::max(busy(up_ns), busy(down_ns));
    p.cameras_the_link_carries = busiest > 0 ? static_cast<std::int64_t>(std::floor(1 / busiest)) : -1;
    if (busiest > 0 && p.cameras_the_link_carries < r.cameras)
        p.notes.push_back(fmt::format("the link carries {} of {} cameras", p.cameras_the_link_carries, r.cameras));
}

void plan_memory(plan_result& p, plan_request r, flow::flow_plan& from) {
    p.pools = std::move(from.pools);
    p.notes.insert(p.notes.end(), from.notes.begin(), from.notes.end());
    p.pool_limit_bytes = r.device_memory / flow::pools_of(r.flow);
    for (const planned_pool& pool : p.pools) {
        p.frame_memory_bytes += pool.frame_bytes;
        p.model_memory_bytes += pool.model_bytes;
        p.fits = p.fits && pool.bytes() <= p.pool_limit_bytes;
    }
    p.device_memory_bytes = p.frame_memory_bytes + p.model_memory_bytes;
    if (!p.fits && r.cache)
        p.notes.emplace_back("cached frames give way when memory is short; --cache-ttl below 0.5 asks for less");
    r.cache_ttl = 0;
    const auto least = flow::plan_flow(r).pools;
    if (std::any_of(least.begin(), least.end(), [&](const auto& l) { return l.bytes() > p.pool_limit_bytes; }))
        p.notes.emplace_back("even without cached frames this is more than the device's pool");
}

// Notes switches that are off but change nothing in this plan.
void note_switches(plan_result& p) {
    const plan_request& r = p.asked;
    plan_request all = r;
    all.cache = all.batch = all.pinned = true;
    const plan_request has = effective_request(all);
    const struct {
        bool asked, there;
        std::string_view name, what;
    } switches[] = {{r.cache, has.cache, "cache", "frame cache"},
                    {r.batch, has.batch, "batch", "batches"},
                    {r.pinned, has.pinned, "pinned", "pinned memory"}};
    for (const auto& s : switches) {
        if (!s.asked && !s.there)
            p.notes.push_back(fmt::format("{} has no {}: --{} off changes nothing", name(r.flow), s.what, s.name));
    }
    if (!r.batch && has.batch && !flow::moves_crops(r.flow))
        p.notes.emplace_back("crops stay on the device: --batch off changes launches, and no transfer");
}

}  // namespace

result<plan_result> plan(const plan_request& request) {
    FACEFLOW_TRY(check(request));
    FACEFLOW_ASSIGN(const auto link, find_link(request.link));

    plan_result p;
    p.asked = request;
    const plan_request chosen = effective_request(request);
    flow::flow_plan from = flow::plan_flow(chosen);
    note_switches(p);
    plan_transfers(p, from);
    plan_link(p, link, from, chosen.pinned);
    plan_memory(p, chosen, from);
    return p;
}

plan_request effective_request(plan_request r) {
    options o;
    o.flow = r.flow;
    o.tuning.cache = r.cache;
    o.tuning.batch = r.batch;
    o.tuning.pinned = r.pinned;
    o = flow::effective_options(o);
    r.cache = o.tuning.cache;
    r.batch = o.tuning.batch;
    r.pinned = o.tuning.pinned;
    return r;
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
        fmt::format("unknown pixel format '{}'{}; choose one of: {}", wanted,
                    near.empty() ? std::string() : fmt::format(", did you mean '{}'?", near), fmt::join(names, ", ")));
}

}  // namespace faceflow::internal::analysis
