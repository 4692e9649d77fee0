// SPDX-License-Identifier: Apache-2.0
// The trace of flows of several processes: what stage processes did, when they did it, and what they moved.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "flow/option_table.hpp"
#include "flow_testing.hpp"

namespace faceflow::internal {
namespace {

using nlohmann::json;

struct slice {
    std::string name, row;
    frame_id frame;
    double begin = 0, end = 0;  // microseconds since the trace was made
    json args;
};

struct moved {
    std::uint64_t count = 0, bytes = 0;
    friend bool operator==(const moved&, const moved&) = default;
};

class process_trace : public test::flow_test, public testing::WithParamInterface<std::string> {
protected:
    void SetUp() override {
        test::flow_test::SetUp();
        chosen.flow = flow::value_of<&options::flow>(GetParam()).value();
        chosen.stage_timeout = 20;  // a sanitizer's slowness is no hang
        tracing = &drawn;
    }
    std::vector<slice> slices() {
        EXPECT_OK(drawn.write(folder / "trace.json"));
        const json file = json::parse(test::contents(folder / "trace.json"));
        std::map<int, std::string> rows;
        std::vector<slice> all;
        for (const auto& e : file["traceEvents"]) {
            if (e["name"] == "thread_name") rows[e["tid"]] = e["args"]["name"];
        }
        for (const auto& e : file["traceEvents"]) {
            if (e["ph"] != "X") continue;
            const double begin = e["ts"];
            all.push_back({e["name"],
                           rows.at(e["tid"]),
                           {e["args"]["source"], e["args"]["sequence"]},
                           begin,
                           begin + e["dur"].get<double>(),
                           e["args"]});
        }
        return all;
    }

    trace drawn;
    const trace::time_point made = trace::clock::now();
    test::temporary_folder folder;
};

std::string row_of(const std::string& flow, const std::string& stage) {
    const bool together = flow == "cached" && stage != "landmark";
    return stage + " (" + (together ? "detect-region" : stage) + " process)";
}

TEST_P(process_trace, has_one_slice_for_each_stage_of_each_frame_at_its_time) {
    const std::uint32_t sources = 2;
    const auto m = run(sources);
    const double over = std::chrono::duration<double, std::micro>(trace::clock::now() - made).count();
    ASSERT_EQ(m.faces.size(), sources * frames.size());
    EXPECT_TRUE(m.errors.empty()) << m.errors.begin()->first;
    std::map<std::tuple<std::string, std::string, std::uint32_t, std::uint64_t>, std::vector<slice>> found;  // by frame
    for (const slice& s : slices())
        found[{s.row, s.name, s.frame.source, s.frame.sequence}].push_back(s);
    for (std::uint32_t source = 0; source < sources; ++source) {
        for (const host_frame& f : frames) {
            double before = -1;
            for (const char* stage : {"detect", "region", "landmark"}) {
                const auto& of = found[{row_of(GetParam(), stage), stage, source, f.id.sequence}];
                ASSERT_EQ(of.size(), 1u) << stage << " of frame " << source << "/" << f.id.sequence;
                EXPECT_GT(of[0].end, of[0].begin);
                EXPECT_GE(of[0].begin, before) << stage << " before the stage that it follows";
                EXPECT_LE(of[0].end, over + 1000);
                before = of[0].end;
            }
        }
    }
    std::size_t stages = 0;
    for (const auto& [key, of] : found) {
        const std::string& name = std::get<1>(key);
        if (name == "detect" || name == "region" || name == "landmark") stages += of.size();
    }
    EXPECT_EQ(stages, 3 * sources * frames.size()) << "slices on other rows, or of other frames";
}

TEST_P(process_trace, has_every_transfer_of_the_ledger_with_its_bytes_and_frame) {
    const auto m = run();
    std::map<std::string, moved> drawn_moves;
    std::set<std::string> rows;
    for (const slice& s : slices()) {
        if (s.name != "upload" && s.name != "download") continue;
        moved& sum = drawn_moves[s.args["direction"].get<std::string>()];
        ++sum.count;
        sum.bytes += s.args["bytes"].get<std::uint64_t>();
        rows.insert(s.row);
        EXPECT_LT(s.frame.sequence, frames.size());
        EXPECT_GE(s.begin, 0);
        EXPECT_GE(s.end, s.begin);
    }
    EXPECT_EQ(drawn_moves["host_to_device"], (moved{m.up.count, m.up.bytes}));
    EXPECT_EQ(drawn_moves["device_to_host"], (moved{m.down.count, m.down.bytes}));
    EXPECT_GT(m.up.count, 0u);
    // A row for each direction of each process that moves anything.
    EXPECT_EQ(rows.size(), GetParam() == "copied" ? 6u : GetParam() == "cached" ? 4u : 2u);
}

INSTANTIATE_TEST_SUITE_P(flows, process_trace, testing::Values("copied", "cached", "shared"),
                         [](const auto& flow) { return flow.param; });

}  // namespace
}  // namespace faceflow::internal
