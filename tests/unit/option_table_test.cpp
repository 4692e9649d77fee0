// SPDX-License-Identifier: Apache-2.0
// Each option of an engine is there wherever options are. That no member lacks a row holds at compile time (option_guard).
#include <gtest/gtest.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <type_traits>

#include "cli/commands.hpp"
#include "cli/config.hpp"
#include "cli/option_rows.hpp"
#include "device/emulated/link.hpp"
#include "engine/engine.hpp"
#include "flow/option_table.hpp"
#include "support.hpp"

namespace faceflow::internal::flow {
namespace {

static_assert(option_guard::members_of<tuning_options>() == 9);

// visit(row, number): each option with a number that it may not be.
template <class Visit>
void for_each_number_out_of_range(Visit visit) {
    for_each_option([&](const auto& row) {
        using row_type = std::remove_cvref_t<decltype(row)>;
        using number = typename row_type::number;
        if constexpr (std::is_same_v<typename row_type::value_type, number>) {
            if (!row.range) return;
            visit(row, static_cast<number>(row.range->least - 1));
            if (std::isfinite(static_cast<double>(row.range->most)))
                visit(row, static_cast<number>(row.range->most + 1));
        }
    });
}

TEST(option_table, names_each_option_once_and_describes_it) {
    std::set<std::string> names, flags;
    for (const option_facts& o : all_options()) {
        EXPECT_TRUE(names.insert(o.name).second) << o.name;
        if (o.declared) {
            EXPECT_TRUE(flags.insert(o.flag).second) << o.flag;
        }
        ASSERT_NE(find_option(o.name), nullptr);
        EXPECT_EQ(find_option(o.name)->flag, o.flag);
    }
    for (const option_facts& o : all_options())
        EXPECT_TRUE(flags.contains(o.flag) || o.flag == "live") << "nothing sets " << o.name;
    EXPECT_EQ(find_option("batch_deadline_ms")->flag, "batch-deadline-ms");
    EXPECT_EQ(find_option("no_such"), nullptr);
    for_each_option([](const auto& row) {
        EXPECT_TRUE(row.help.empty() || !row.value.empty() || !row.words.empty() || row.name == "smooth" ||
                    row.name == "verify_ledger")
            << row.name << " takes a value that help does not name";
    });
}

TEST(option_table, the_usual_values_are_in_their_ranges) {
    EXPECT_TRUE(check_values({}));
    options by_frames;
    by_frames.detect_width = by_frames.detect_height = 0;
    EXPECT_TRUE(check_values(by_frames));
}

TEST(option_table, numbers_out_of_range_are_refused_with_the_option_as_data) {
    std::set<std::string> tried;
    for_each_number_out_of_range([&](const auto& row, auto number) {
        options o;
        row.of(o) = number;
        const auto r = faceflow::internal::check(o);
        ASSERT_FALSE(r) << row.name;
        EXPECT_EQ(r.error().code, errc::invalid_argument);
        EXPECT_EQ(r.error().option, row.name);
        EXPECT_TRUE(r.error().message.starts_with(std::string(row.name) + " must be ")) << r.error().message;
        tried.emplace(row.name);
    });
    for (const char* name :
         {"detect_every", "max_faces", "min_score", "min_presence", "threads", "detect_width", "detect_height", "tiles",
          "cache_ttl", "batch_frames", "lanes", "batch_deadline_ms", "stage_restarts", "stage_timeout", "focal_length"})
        EXPECT_TRUE(tried.contains(name)) << name;
    options o;
    o.min_score = std::nanf("");
    EXPECT_FALSE(faceflow::internal::check(o));
    o = {};
    o.tuning.batch_deadline_ms = 5000;
    EXPECT_EQ(faceflow::internal::check(o).error().message, "batch_deadline_ms must be from 0 to 1000, not 5000");
}

TEST(option_table, words_that_there_are_not_are_refused_with_those_that_there_are) {
    for_each_option([](const auto& row) {
        using value_type = typename std::remove_cvref_t<decltype(row)>::value_type;
        options o;
        if constexpr (std::is_same_v<value_type, std::string>) {
            if (row.words.empty()) return;
            row.of(o) = std::string(row.words.back()) + "x";
            const auto r = faceflow::internal::check(o);
            ASSERT_FALSE(r) << row.name;
            EXPECT_EQ(r.error().option, row.name);
            for (const std::string_view word : row.words)
                EXPECT_NE(r.error().message.find(word), std::string::npos) << r.error().message;
        }
        if constexpr (std::is_enum_v<value_type>) {
            row.of(o) = static_cast<value_type>(row.words.size());
            const auto r = faceflow::internal::check(o);
            ASSERT_FALSE(r) << row.name;
            EXPECT_EQ(r.error().option, row.name);
        }
    });
    const auto none = value_of<&options::flow>("fusd");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().message,
              "unknown flow 'fusd'; did you mean fused?; choose one of: fused, threaded, shared, cached, copied");
    EXPECT_EQ(value_of<&options::flow>("cached").value(), flow_kind::cached);
    EXPECT_EQ(value_of<&options::inference>("auto").value(), inference_backend::automatic);
    EXPECT_EQ(name(precision::bf16), "bf16");
}

TEST(option_table, has_the_links_that_there_are) {
    for (const std::string_view link : row_of<&options::link>().words)
        EXPECT_OK(find_link(link));
    const auto none = find_link("no such");
    ASSERT_FALSE(none);
    const std::string all = fmt::format("{}", fmt::join(row_of<&options::link>().words, ", "));
    EXPECT_TRUE(none.error().message.ends_with(": " + all)) << none.error().message;
}

class command_line : public ::testing::Test {
protected:
    command_line() { cli::add_engine_options(app_, chosen_); }

    // What an error of the engine's is called where the option was given.
    std::string told(const error& e, std::vector<std::string> from_file = {}) {
        return cli::given{&app_, "c.toml", std::move(from_file)}.in_its_words(e).message;
    }

    CLI::App app_;
    cli::engine_options chosen_;
};

TEST_F(command_line, has_every_option_with_its_help_in_its_group) {
    for_each_option([&](const auto& row) {
        if (row.help.empty()) return;
        const auto* option = app_.get_option_no_throw("--" + find_option(row.name)->flag);
        ASSERT_NE(option, nullptr) << row.name;
        EXPECT_EQ(option->get_description(), row.help);
        EXPECT_EQ(option->get_group(), title(row.group));
    });
}

TEST_F(command_line, without_options_is_what_the_library_has_but_for_the_detectors_size) {
    app_.parse("", false);
    options usual;
    usual.detect_width = usual.detect_height = 0;
    usual.tiles = -1;
    const auto got = chosen_.resolve();
    for_each_option([&](const auto& row) { EXPECT_EQ(row.of(got), row.of(usual)) << row.name; });
}

TEST_F(command_line, sets_values_of_each_kind) {
    app_.parse(
        "--device-memory 512M --cache-bytes 3K --detect-size 640x384 --tiles 1.5 --detector blazeface --cache off "
        "--lanes 3 --min-score 0.25 --stage-timeout 2 --models /m --smooth --precision bf16",
        false);
    const options& o = chosen_.chosen;
    EXPECT_EQ(o.device_memory, std::size_t{512} << 20);
    EXPECT_EQ(o.tuning.cache_bytes, 3072u);
    EXPECT_EQ(o.detect_height, 384);
    EXPECT_EQ(o.tiles, 1.5f);
    EXPECT_EQ(o.detector, detector::blazeface);
    EXPECT_FALSE(o.tuning.cache);
    EXPECT_EQ(o.tuning.lanes, 3);
    EXPECT_EQ(o.min_score, 0.25f);
    EXPECT_EQ(o.stage_timeout, 2);
    EXPECT_EQ(o.models, "/m");
    EXPECT_TRUE(o.smooth);
    EXPECT_EQ(o.precision, precision::bf16);
}

TEST_F(command_line, names_the_option_of_a_value_that_it_cannot_read) {
    const auto said = [&](const std::string& line) {
        try {
            app_.parse(line, false);
        } catch (const CLI::ParseError& e) {
            return std::string(e.what());
        }
        return std::string();
    };
    EXPECT_EQ(said("--device-memory lots"),
              "--device-memory: 'lots' is not an amount of memory; write it as 512M or 2G");
    EXPECT_EQ(said("--detect-size big"), "--detect-size: 'big' is not a size; write it as 640x384");
    EXPECT_EQ(said("--tiles many"), "--tiles: 'many' is not a scale for tiles; write auto, off, or a number such as 2");
    EXPECT_EQ(said("--flow fusd"),
              "--flow: 'fusd' is not one of fused, threaded, shared, cached, copied; did you mean fused?");
}

TEST_F(command_line, names_what_was_out_of_range_as_it_was_given) {
    for_each_number_out_of_range([&](const auto& row, auto number) {
        options o;
        row.of(o) = number;
        const error e = faceflow::internal::check(o).error();
        const option_facts& facts = *find_option(row.name);
        const std::string what = e.message.substr(row.name.size());
        EXPECT_EQ(told(e), std::string(row.part) + "--" + facts.flag + what);
        EXPECT_EQ(told(e, {facts.flag}), "c.toml: " + std::string(row.part) + facts.flag + what);
    });
    const error of_none{errc::invalid_argument, "min_score must be something"};
    EXPECT_EQ(told(of_none), of_none.message) << "the text alone says nothing of an option";
}

TEST(option_keys, of_configuration_files_are_those_of_the_command_line_and_tuning_has_a_table) {
    std::vector<std::string> keys, tuning;
    for (const option_facts& o : all_options()) {
        if (!o.declared) continue;
        keys.push_back(o.flag);
        if (o.group == option_group::tuning) tuning.push_back(o.flag);
    }
    EXPECT_EQ(tuning.size(), 9u);
    std::string flat, nested;
    for (const auto& key : keys)
        flat += key + " = 1\n";
    const auto all = cli::config_arguments(flat, keys, tuning);
    ASSERT_OK(all);
    EXPECT_EQ(all->size(), keys.size());
    for (const auto& key : tuning)
        nested += key + " = 1\n";
    const auto under = cli::config_arguments("threads = 1\n[tuning]\n" + nested, keys, tuning);
    ASSERT_OK(under);
    EXPECT_EQ(under->size(), tuning.size() + 1);
    EXPECT_TRUE(std::find(under->begin(), under->end(), "--batch-deadline-ms=1") != under->end());

    const auto refused = [&](const std::string& text) {
        const auto r = cli::config_arguments(text, keys, tuning);
        EXPECT_FALSE(r) << text;
        return r ? std::string() : r.error().message;
    };
    EXPECT_EQ(refused("[tuning]\nlane = 1\n"), "line 2: unknown key 'tuning.lane'; did you mean 'lanes'?");
    EXPECT_EQ(refused("[tuning]\nthreads = 1\n"), "line 2: unknown key 'tuning.threads'");
    EXPECT_EQ(refused("lanes = 1\n[tuning]\nlanes = 2\n"), "line 3: 'lanes' is set twice, in [tuning] and outside");
    EXPECT_EQ(refused("tuning = 1\n"), "line 1: unknown key 'tuning'");
    EXPECT_NE(refused("[tuning.tuning]\nlanes = 2\n").find("tuning.tuning"), std::string::npos);
}

}  // namespace
}  // namespace faceflow::internal::flow
