// SPDX-License-Identifier: Apache-2.0
#include "engine/open_sources.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "backends/back_end.hpp"
#include "core/processors.hpp"
#include "core/thread.hpp"
#include "core/try.hpp"
#include "core/worker_pool.hpp"
#include "media/device_frames.hpp"

namespace faceflow::internal {
namespace {

// Calls `open_one` for each number below `count` until one returns false; several at once, since each may wait for a
// disk, a network or a GPU's decoder.
void open_side_by_side(std::size_t count, const std::function<bool(std::size_t)>& open_one) {
    constexpr std::size_t max_openers = 8;
    std::atomic<bool> failed{false};
    worker_pool openers(static_cast<std::int32_t>(std::min(count, max_openers)));
    openers.for_each(static_cast<std::int32_t>(count), [&](std::int32_t i) {
        if (!failed && !open_one(static_cast<std::size_t>(i))) failed = true;
    });
}

// Two threads per processor in total, so that many sources do not create hundreds; 0, FFmpeg's choice, for one source.
int threads_of_decoder(std::size_t sources) {
    if (sources <= 1) return 0;
    return std::max(1, static_cast<int>(2 * static_cast<std::size_t>(usable_processors()) / sources));
}

}  // namespace

std::uint64_t load_of(const media::source_info& info) noexcept {
    return flow::load_of(info.width, info.height, info.frames_per_second);
}

result<bool> source_opening::decodes_on_device() const {
    if (request_.decode == "cpu") return false;
    const back_end& of = back_end_of(*on_.devices.front());
    const bool asked = request_.decode == "gpu";
    if (!asked && request_.decode != "auto") {
        return fail(errc::invalid_argument,
                    fmt::format("unknown place to decode '{}'; choose one of: auto, gpu, cpu", request_.decode));
    }
    const auto unless = [&](bool fits, std::string_view why) -> result<bool> {
        if (fits) return true;
        return asked ? fail(errc::invalid_argument, fmt::format("--decode gpu {}", why)) : result<bool>(false);
    };
    if (auto r = unless(of.open_decoder != nullptr, "needs a device with a decoder: cuda, or emulated"); !r || !*r)
        return r;
    if (auto r = unless(flow::pools_of(request_.chosen.flow) == 1, "is for flows in one process: fused and threaded");
        !r || !*r)
        return r;
    return asked || of.decodes_by_default;
}

// A source's frames are computed on the device that decodes them, so its device is chosen before it is opened.
std::vector<std::size_t> source_opening::choose_devices(const std::vector<media::input_group>& groups) {
    std::vector<std::uint64_t> loads(groups.size(), flow::load_of(0, 0, 0));
    const auto look_at_one = [&](std::size_t i) {
        media::source_options o = request_.reading;
        o.stop = stop_;
        // A source that cannot be examined counts with the default load.
        [[maybe_unused]] const auto looked = caught("looking at an input", [&] {
            if (const auto stated = media::look_at(groups[i], o)) loads[i] = load_of(*stated);
        });
        return true;
    };
    if (on_.devices.size() > 1) open_side_by_side(groups.size(), look_at_one);
    std::vector<std::size_t> chosen;
    for (std::size_t i = 0; i < groups.size(); ++i)
        chosen.push_back(on_.routes->begin(static_cast<std::uint32_t>(i), loads[i]).device);
    return chosen;
}

source_opening::opened source_opening::open_one(std::size_t number, std::size_t sources,
                                                const media::input_group& group, std::size_t device,
                                                const device_decoding& decoding) const {
    media::source_options o = request_.reading;
    o.number = static_cast<std::uint32_t>(number);
    if (o.decode_threads == 0) o.decode_threads = threads_of_decoder(sources);
    if (!decoding.slots.empty()) {
        o.decode_on = on_.devices[device].get();
        o.open_hardware = back_end_of(*o.decode_on).open_decoder;
        o.device_slots = decoding.slots[device];
    }
    if (!decoding.shares.empty()) o.share = decoding.shares[device].get();
    o.only_on_device = request_.decode == "gpu";
    o.stop = stop_;
    o.note = request_.note;
    return media::open_source(group, o);
}

result<std::vector<std::unique_ptr<media::source>>> source_opening::open(device_decoding& decoding) {
    FACEFLOW_ASSIGN(const auto on_device, decodes_on_device());
    const auto groups = media::group_inputs(request_.inputs);
    const auto devices = on_device ? choose_devices(groups) : std::vector<std::size_t>(groups.size());
    for (std::size_t i = 0; on_device && i < on_.devices.size(); ++i) {
        decoding.slots.push_back(media::device_frames::make_store(*on_.devices[i]));
        if (request_.decode == "auto") decoding.shares.push_back(std::make_unique<media::decoder_share>(request_.note));
    }
    std::vector<opened> all(groups.size());
    for (opened& none : all)
        none = fail(errc::interrupted, "the input was not opened");
    open_side_by_side(groups.size(), [&](std::size_t i) {
        all[i] = caught_result("opening an input",
                               [&] { return open_one(i, groups.size(), groups[i], devices[i], decoding); });
        return all[i].has_value();
    });
    // Report the actual error, not the inputs that were left unopened because of it.
    const auto failed =
        std::ranges::find_if(all, [](const opened& one) { return !one && one.error().code != errc::interrupted; });
    if (failed != all.end()) return tl::unexpected(media::as_input_error(std::move(failed->error())));
    std::vector<std::unique_ptr<media::source>> sources;
    for (opened& one : all) {
        if (!one) return tl::unexpected(media::as_input_error(std::move(one.error())));
        sources.push_back(std::move(*one));
    }
    return sources;
}

}  // namespace faceflow::internal
