// SPDX-License-Identifier: Apache-2.0
#include "backends/open_devices.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <string_view>

#include "backends/back_end.hpp"
#include "core/nearest.hpp"
#include "core/try.hpp"
#include "device/emulated/link.hpp"

namespace faceflow::internal {
namespace {

// "emulated:4" -> {"emulated", "4"}; without a colon there is no index.
struct parsed_name {
    std::string_view kind;
    std::optional<std::string_view> index;
};

parsed_name parse(std::string_view name) {
    const auto colon = name.find(':');
    if (colon == std::string_view::npos) return {name, std::nullopt};
    return {name.substr(0, colon), name.substr(colon + 1)};
}

tl::unexpected<error> unknown(const std::string& wanted) {
    std::vector<std::string> kinds{"auto"}, syntax{"auto"};
    for (const back_end* b : back_ends()) {
        kinds.emplace_back(name(b->kind));
        syntax.emplace_back(b->syntax);
    }
    const std::string_view near = nearest(parse(wanted).kind, kinds);
    return fail(
        errc::invalid_argument,
        fmt::format("unknown device '{}'{}; choose one of: {}", wanted,
                    near.empty() ? std::string() : fmt::format(", did you mean '{}'?", near), fmt::join(syntax, ", ")));
}

}  // namespace

result<back_end::device_list> open_devices(const device_request& wanted) {
    FACEFLOW_TRY(find_link(wanted.link));  // wrong even where no device uses it
    if (wanted.memory_cap == 0) return fail(errc::invalid_argument, "a device needs a memory limit above 0");
    const parsed_name named = wanted.name == "auto" ? parsed_name{"cpu", {}} : parse(wanted.name);
    for (const back_end* b : back_ends()) {
        if (named.kind == name(b->kind)) return b->open(wanted, named.index);
    }
    return unknown(wanted.name);
}

}  // namespace faceflow::internal
