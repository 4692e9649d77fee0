// SPDX-License-Identifier: Apache-2.0
// summary.json with what only machines with cards have in it, held to its schema.
#include "engine/summary.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support.hpp"
#include "telemetry/nvml.hpp"

namespace faceflow::internal {
namespace {

const std::string new_nvml = test::program("libfaceflow_fake_nvml_new.so"),
                  old_nvml = test::program("libfaceflow_fake_nvml_old.so");

bool holds_to_schema(const nlohmann::ordered_json& summary) {
    const test::temporary_folder folder;
    std::ofstream(folder / "summary.json") << summary.dump(2) << '\n';
    const std::string source = test::checkout().string();
    const std::string command = "/usr/bin/python3 " + source + "/tests/tools/check_schema.py " + source +
                                "/docs/schema/summary.schema.json " + (folder / "summary.json").string();
    return std::system(command.c_str()) == 0;  // NOLINT(cert-env33-c): it is ours
}

std::unique_ptr<face_engine> engine() {
    options o;
    o.detector = detector::blazeface;
    o.device = "emulated";
    o.threads = 1;
    return face_engine::create({o, [](const host_frame&, const result<frame_faces>&) {}}).value();
}

TEST(summary, says_what_each_card_told_and_leaves_out_what_it_did_not) {
    std::vector<gpu_sampler::card> cards;
    cards.push_back({"a card", open_nvml("0000:01:00.0", new_nvml).value()});
    cards.push_back({"an old driver's", open_nvml("0000:01:00.0", old_nvml).value()});
    cards.push_back({"in MIG mode", open_nvml("0000:02:00.0", new_nvml).value()});
    cards.push_back({"without NVML", nullptr});
    gpu_sampler sampler(std::move(cards), std::chrono::hours(1));
    const auto usage = sampler.finish();
    const auto e = engine();
    const auto summary = summary_of(*e, {.seconds = 1, .survived = {}, .gpus = usage, .checked = {}, .unfinished = {}});
    EXPECT_TRUE(holds_to_schema(summary)) << summary.dump(2);

    const auto& gpus = summary["gpus"];
    ASSERT_EQ(gpus.size(), 4u);
    EXPECT_EQ(gpus[0]["name"], "a card");
    EXPECT_EQ(gpus[0]["busy_percent"]["max"], 41);
    EXPECT_EQ(gpus[0]["memory_total_bytes"], 80'000'000'000);
    EXPECT_EQ(gpus[0]["host_to_device_bytes_per_second"]["mean"], 5'001'000);
    EXPECT_EQ(gpus[0]["power_w"]["mean"], 251);
    EXPECT_TRUE(gpus[1].contains("temperature_c"));
    EXPECT_FALSE(gpus[1].contains("power_w"));
    for (const std::size_t i : {2, 3})
        EXPECT_EQ(gpus[i].size(), 2u) << "its name and the number of readings alone: " << gpus[i].dump();
}

TEST(summary, has_both_sides_of_a_ledger_that_was_checked) {
    const auto e = engine();
    summary_facts facts;
    facts.checked = ledger_check{"CUPTI", {{10, 100}, {10, 50}, 10, 0}, {{12, 108}, {10, 50}, 10, 0}};
    const auto summary = summary_of(*e, facts);
    EXPECT_TRUE(holds_to_schema(summary)) << summary.dump(2);
    EXPECT_EQ(summary["ledger_check"]["agrees"], false);
    EXPECT_EQ(summary["ledger_check"]["host_to_device"]["ledger"]["count"], 10);
    EXPECT_EQ(summary["ledger_check"]["host_to_device"]["device"]["bytes"], 108);
}

TEST(summary, has_no_cards_where_none_is_used) {
    const auto e = engine();
    const auto summary = summary_of(*e, {});
    EXPECT_FALSE(summary.contains("gpus"));
    EXPECT_TRUE(holds_to_schema(summary));
}

}  // namespace
}  // namespace faceflow::internal
