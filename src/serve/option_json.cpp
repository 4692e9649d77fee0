// SPDX-License-Identifier: Apache-2.0
#include "serve/option_json.hpp"

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <type_traits>

#include "core/try.hpp"
#include "flow/option_table.hpp"

namespace faceflow::internal::serve {
namespace {

using json = nlohmann::ordered_json;

// Where models are, what computes and how much memory it takes is the operator's choice, not that of clients.
template <class Row>
bool for_clients(const Row& row) {
    return !row.help.empty() && (row.group == flow::option_group::faces || row.name == "flow") && row.flag.empty();
}

template <class Row>
json value_json(const Row& row, const options& of) {
    using value_type = typename Row::value_type;
    if constexpr (std::is_enum_v<value_type>) {
        return row.words[static_cast<std::size_t>(Row::of(of))];
    } else if constexpr (std::is_same_v<value_type, float>) {
        return std::round(static_cast<double>(Row::of(of)) * 1e6) / 1e6;  // 0.6, not 0.60000002
    } else if constexpr (std::is_arithmetic_v<value_type>) {
        return Row::of(of);
    } else {
        return nullptr;
    }
}

template <class Row>
json described(const Row& row, const options& of) {
    json j{{"value", value_json(row, of)}, {"help", row.help}};
    if (!row.words.empty()) j["words"] = row.words;
    if (row.range) {
        j["least"] = row.range->least;
        if (std::isfinite(static_cast<double>(row.range->most))) j["most"] = row.range->most;
    }
    return j;
}

template <class Row>
result<void> set(const Row& row, const json& value, options& into) {
    using value_type = typename Row::value_type;
    const auto wrong = [&](const char* what) {
        return fail(errc::invalid_argument, fmt::format("'{}' must be {}", row.name, what));
    };
    if constexpr (std::is_enum_v<value_type>) {
        if (!value.is_string()) return wrong("one of its words");
        FACEFLOW_ASSIGN(const std::size_t n, flow::find_word(row.name, value.get<std::string>(), row.words));
        Row::of(into) = static_cast<value_type>(n);
    } else if constexpr (std::is_same_v<value_type, bool>) {
        if (!value.is_boolean()) return wrong("true or false");
        Row::of(into) = value.get<bool>();
    } else if constexpr (std::is_integral_v<value_type>) {
        const bool fits = value.is_number_integer() && std::in_range<value_type>(value.get<std::int64_t>());
        if (!fits) return wrong("a whole number");
        Row::of(into) = static_cast<value_type>(value.get<std::int64_t>());
    } else if constexpr (std::is_floating_point_v<value_type>) {
        if (!value.is_number()) return wrong("a number");
        Row::of(into) = value.get<value_type>();
    }
    return {};
}

}  // namespace

json options_json(const options& of) {
    json all = json::object();
    flow::for_each_option([&](const auto& row) {
        if (for_clients(row)) all[std::string(row.name)] = described(row, of);
    });
    return all;
}

result<void> set_options(const json& values, options& into) {
    for (const auto& item : values.items()) {
        const std::string& key = item.key();
        const json& value = item.value();
        bool known = false;
        result<void> done;
        flow::for_each_option([&](const auto& row) {
            if (known || row.name != key || !for_clients(row)) return;
            known = true;
            done = set(row, value, into);
        });
        if (!known)
            return fail(errc::invalid_argument,
                        fmt::format("'{}' is no option that clients change", key.substr(0, 64)));
        FACEFLOW_TRY(std::move(done));
    }
    return {};
}

}  // namespace faceflow::internal::serve
