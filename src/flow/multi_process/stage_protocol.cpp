// SPDX-License-Identifier: Apache-2.0
#include "flow/multi_process/stage_protocol.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/printable.hpp"
#include "core/try.hpp"
#include "faceflow/version.h"
#include "flow/option_table.hpp"

namespace faceflow::internal::flow {
namespace {

using json = nlohmann::json;

// Enums are sent as words.
template <auto... Path>
void write_option(const option_row<Path...>& row, const options& from, json& to) {
    const auto& value = row.of(from);
    if constexpr (std::is_enum_v<typename option_row<Path...>::value_type>) {
        to = row.words[static_cast<std::size_t>(value)];
    } else {
        to = value;
    }
}

template <auto... Path>
result<void> read_option(const option_row<Path...>& row, const json& from, options& to) {
    if constexpr (std::is_enum_v<typename option_row<Path...>::value_type>) {
        auto value = value_of<Path...>(from.template get<std::string>());
        if (!value) return fail(errc::corrupt, printable(value.error().message));
        row.of(to) = *value;
    } else {
        from.get_to(row.of(to));
    }
    return {};
}

// The layout of all memory that processes share.
json layout_of_everything() {
    return {{"call", sizeof(stage_call)},
            {"reply", sizeof(stage_reply)},
            {"slice", sizeof(stage_slice)},
            {"detection", sizeof(vision::detection)},
            {"record", sizeof(vision::face_record)},
            {"mesh_batch", mesh_batch}};
}

std::uint64_t up_to_page(std::uint64_t bytes) {
    return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

}  // namespace

std::string_view name(stage_role role) noexcept {
    switch (role) {
        case stage_role::detect: return "detect";
        case stage_role::region: return "region";
        case stage_role::landmark: return "landmark";
        case stage_role::detect_region: return "detect-region";
    }
    return "unknown";
}

buffer_layout buffer_layout::of(const pass_shape& shape) {
    buffer_layout l;
    l.results = up_to_page(shape.set_bytes());
    l.crops = l.results + up_to_page(shape.results_bytes());
    l.bytes = l.crops + up_to_page(shape.crops.bytes(shape.mesh_faces));
    return l;
}

result<void> check(std::span<const vision::detection> faces) {
    constexpr float most = 1e6f;
    using numbers = std::array<float, sizeof(vision::detection) / sizeof(float)>;
    static_assert(std::is_trivially_copyable_v<vision::detection> && sizeof(numbers) == sizeof(vision::detection));
    for (std::size_t i = 0; i < faces.size(); ++i) {
        numbers all;
        std::memcpy(&all, &faces[i], sizeof all);
        const bool sound = std::all_of(all.begin(), all.end(), [](float x) { return x >= -most && x <= most; });
        if (!sound) return fail(errc::corrupt, fmt::format("face {} of a call lies nowhere near a picture", i));
    }
    return {};
}

std::string to_json(const stage_hello& hello) {
    json chosen = json::object();
    for_each_option([&](const auto& row) { write_option(row, hello.chosen, chosen[std::string(row.name)]); });
    return json{{"protocol", stage_protocol},   {"version", FACEFLOW_VERSION},        {"role", name(hello.role)},
                {"options", std::move(chosen)}, {"device_index", hello.device_index}, {"buffers", hello.buffers},
                {"tracing", hello.tracing},     {"layout", layout_of_everything()}}
        .dump();
}

result<stage_role> find_role(std::string_view wanted) {
    for (const auto role : {stage_role::detect, stage_role::region, stage_role::landmark, stage_role::detect_region}) {
        if (name(role) == wanted) return role;
    }
    return fail(errc::corrupt, fmt::format("there is no stage '{}'", printable(wanted)));
}

result<stage_hello> read_hello(std::string_view text) {
    try {
        const json j = json::parse(text);
        if (const auto theirs = j.at("protocol").get<std::uint32_t>(); theirs != stage_protocol) {
            return fail(errc::unsupported,
                        fmt::format("the other process speaks version {} of the stage protocol, this one version {}: "
                                    "install faceflow and faceflow-stage of one version",
                                    theirs, stage_protocol));
        }
        if (const auto theirs = j.at("version").get<std::string>(); theirs != FACEFLOW_VERSION) {
            return fail(errc::unsupported,
                        fmt::format("the other process is faceflow {}, this one {}: install faceflow "
                                    "and faceflow-stage of one version",
                                    printable(theirs), FACEFLOW_VERSION));
        }
        if (j.at("layout") != layout_of_everything()) {
            return fail(
                errc::unsupported,
                fmt::format("the other process lays out memory as {}, this one as {}: they are different builds",
                            printable(j.at("layout").dump()), layout_of_everything().dump()));
        }
        stage_hello hello;
        FACEFLOW_ASSIGN(hello.role, find_role(j.at("role").get<std::string>()));
        hello.device_index = j.at("device_index").get<int>();
        hello.buffers = j.at("buffers").get<std::uint32_t>();
        if (hello.buffers > max_in_flight)
            return fail(errc::corrupt,
                        fmt::format("{} buffers are more than the {} there may be", hello.buffers, max_in_flight));
        hello.tracing = j.at("tracing").get<bool>();
        const json& chosen = j.at("options");
        result<void> read;
        for_each_option([&](const auto& row) {
            if (read) read = read_option(row, chosen.at(std::string(row.name)), hello.chosen);
        });
        if (!read) return tl::unexpected(std::move(read.error()));
        return hello;
    } catch (const json::exception& e) {
        return fail(errc::corrupt, fmt::format("the other process's greeting makes no sense: {}", printable(e.what())));
    }
}

}  // namespace faceflow::internal::flow
