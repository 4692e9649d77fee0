// SPDX-License-Identifier: Apache-2.0
#include "flow/option_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "core/nearest.hpp"
#include "core/option_error.hpp"
#include "core/try.hpp"

namespace faceflow::internal::flow {
namespace {

std::vector<option_facts> facts_of_options() {
    std::vector<option_facts> all;
    for_each_option([&](const auto& row) {
        std::string flag(row.flag.empty() ? row.name : row.flag);
        std::replace(flag.begin(), flag.end(), '_', '-');
        all.push_back({std::string(row.name), std::move(flag), row.part, row.group, !row.help.empty()});
    });
    return all;
}

template <class Row>
result<void> check_value(const Row& row, const options& o) {
    using value_type = typename Row::value_type;
    const value_type& value = Row::of(o);
    if (row.range && !(row.unused != nullptr && row.unused(o))) {
        if constexpr (std::is_same_v<value_type, typename Row::number>) {
            auto within = expect_between(row.name, value, row.range->least, row.range->most);
            if (within || row.must.empty()) return within;
            return fail_option(row.name, fmt::format("must {}", row.must));
        }
    }
    if constexpr (std::is_same_v<value_type, std::string>) {
        if (row.words.empty()) return {};
        FACEFLOW_TRY(find_word(row.name, value, row.words));
    }
    if constexpr (std::is_enum_v<value_type>) {
        const auto number = static_cast<std::size_t>(value);
        if (number >= row.words.size())
            return fail_option(row.name, fmt::format("must be one of {}", fmt::join(row.words, ", ")));
    }
    return {};
}

}  // namespace

std::string_view title(option_group group) noexcept {
    switch (group) {
        case option_group::engine: return "Engine";
        case option_group::memory: return "Frames on devices with memory of their own";
        case option_group::processes: return "Flows of several processes";
        case option_group::faces: return "Faces";
        case option_group::tuning: return "Tuning, for measurements";
    }
    return {};
}

std::span<const option_facts> all_options() {
    static const std::vector<option_facts> all = facts_of_options();
    return all;
}

const option_facts* find_option(std::string_view name) {
    const auto all = all_options();
    const auto at = std::find_if(all.begin(), all.end(), [&](const option_facts& f) { return f.name == name; });
    return at != all.end() ? &*at : nullptr;
}

result<void> check_values(const options& o) {
    result<void> all;
    for_each_option([&](const auto& row) {
        if (all) all = check_value(row, o);
    });
    return all;
}

result<std::size_t> find_word(std::string_view name, std::string_view word, word_list words) {
    const auto at = std::find(words.begin(), words.end(), word);
    if (at != words.end()) return static_cast<std::size_t>(at - words.begin());
    const std::vector<std::string> known(words.begin(), words.end());
    const auto near = nearest(word, known);
    return tl::unexpected<error>(
        error{errc::invalid_argument,
              fmt::format("unknown {} '{}'{}; choose one of: {}", name, word,
                          near.empty() ? "" : fmt::format("; did you mean {}?", near), fmt::join(known, ", ")),
              std::string(name)});
}

}  // namespace faceflow::internal::flow
