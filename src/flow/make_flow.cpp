#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "core/nearest.hpp"
#include "flow/flow.hpp"
#include "flow/fused_flow.hpp"
#include "flow/process/process_flow.hpp"
#include "flow/threaded_flow.hpp"

namespace faceflow::flow {
namespace {

struct known_flow {
    std::string_view name;
    result<std::unique_ptr<flow>> (*make)(const flow_parts& parts);
    std::size_t pools;                               // processes with a pool on the device
    bool cache = true, batch = true, pinned = true;  // that it has
    bool converts = false;                           // pixels
};

constexpr std::array<known_flow, 5> all_flows{{{"fused", make_fused_flow, 1},
                                               {"threaded", make_threaded_flow, 1},
                                               {"shared", make_shared_flow, 4, false},
                                               {"cached", make_cached_flow, 3},
                                               {"copied", make_copied_flow, 4, false, false, false, true}}};

}  // namespace

std::vector<std::string> flow_names() {
    std::vector<std::string> names;
    names.reserve(all_flows.size());
    for (const auto& f : all_flows)
        names.emplace_back(f.name);
    return names;
}

std::size_t pools_of(std::string_view wanted) noexcept {
    for (const auto& f : all_flows) {
        if (f.name == wanted) return f.pools;
    }
    return 1;
}

bool converts_pixels(std::string_view wanted) noexcept {
    return std::any_of(all_flows.begin(), all_flows.end(),
                       [&](const known_flow& f) { return f.name == wanted && f.converts; });
}

options heeded(options o) noexcept {
    for (const auto& f : all_flows) {
        if (f.name != o.flow) continue;
        o.cache = o.cache && f.cache;
        o.batch = o.batch && f.batch;
        o.pinned = o.pinned && f.pinned;
    }
    return o;
}

result<void> check_flow(std::string_view wanted) {
    const auto known = flow_names();
    for (const auto& f : known) {
        if (f == wanted) return {};
    }
    const auto near = nearest(wanted, known);
    return fail(errc::invalid_argument,
                fmt::format("unknown flow '{}'{}; there are: {}", wanted,
                            near.empty() ? "" : fmt::format("; did you mean {}?", near), fmt::join(known, ", ")));
}

result<std::unique_ptr<flow>> make_flow(const flow_parts& parts) {
    if (auto r = check_flow(parts.chosen.flow); !r) return tl::unexpected(std::move(r.error()));
    for (const auto& f : all_flows) {
        if (f.name == parts.chosen.flow) return f.make(parts);
    }
    return fail(errc::internal, "a flow without a maker");
}

}  // namespace faceflow::flow
