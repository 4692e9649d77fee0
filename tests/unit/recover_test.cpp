// SPDX-License-Identifier: Apache-2.0
#include "engine/recover.hpp"

#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "core/part_file.hpp"
#include "engine/leftovers.hpp"
#include "support.hpp"

namespace faceflow::internal {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* token = "0123456789abcdef";

// A folder in which a run died.
class recovery_test : public testing::Test {
protected:
    void leave(const std::string& name, const std::string& bytes, const std::string& of = token) {
        std::ofstream(folder_ / ("." + name + ".part-" + of), std::ios::binary) << bytes;
    }
    static std::string line(int sequence, int faces) {
        std::string text = R"({"input":"a \"track\": b.mp4","sequence":)" + std::to_string(sequence) + R"(,"faces":[)";
        for (int i = 0; i < faces; ++i)
            text += std::string(i > 0 ? "," : "") + R"({"track":)" + std::to_string(i + 1) + "}";
        return text + "]}\n";
    }
    recovery recovered() {
        auto done = recover(folder_.path());
        EXPECT_OK(done);
        return done ? std::move(*done) : recovery();
    }
    std::set<std::string> names() const {
        std::set<std::string> all;
        for (const auto& entry : fs::directory_iterator(folder_.path()))
            all.insert(entry.path().filename().string());
        return all;
    }
    json summary(const char* name = "summary.json") const { return json::parse(test::contents(folder_ / name)); }

    test::temporary_folder folder_;
};

TEST_F(recovery_test, whole_lines_are_kept_and_the_broken_one_is_cut) {
    leave("faces.ndjson", line(0, 2) + line(1, 1) + line(2, 4).substr(0, 30));
    leave("summary.json", R"({"frames":1,"seconds":0.5,"fps":2,"faces":1,"device":"cpu"})");
    const auto done = recovered();
    EXPECT_EQ(done.runs, 1u);
    EXPECT_EQ(done.frames, 2u);
    EXPECT_EQ(test::contents(folder_ / "faces.ndjson"), line(0, 2) + line(1, 1));
    EXPECT_EQ(names(), (std::set<std::string>{"faces.ndjson", "summary.json"}));
    EXPECT_EQ(summary()["frames"], 2);
    EXPECT_EQ(summary()["faces"], 3);
    EXPECT_EQ(summary()["fps"], 4);
    EXPECT_EQ(summary()["device"], "cpu");
    EXPECT_EQ(summary()["recovered"], true);
}

TEST_F(recovery_test, every_cut_of_the_rows_gives_whole_records) {
    const std::string lines = line(0, 1) + line(1, 0) + line(2, 3);
    const std::string csv = "input,track\r\n\"a,\r\nb\",1\r\nc,2\r\n";
    const std::string csv_ends[] = {"", "input,track\r\n", "input,track\r\n\"a,\r\nb\",1\r\n", csv};
    for (std::size_t cut = 0; cut <= lines.size(); ++cut) {
        const std::string rows = csv.substr(0, std::min(cut, csv.size()));
        leave("faces.ndjson", lines.substr(0, cut));
        leave("faces.csv", rows);
        recovered();
        const std::string got = test::contents(folder_ / "faces.ndjson"), table = test::contents(folder_ / "faces.csv");
        EXPECT_EQ(got, lines.substr(0, lines.rfind('\n', cut == 0 ? std::string::npos : cut - 1) + 1).substr(0, cut))
            << "at " << cut;
        std::string expected;
        for (const auto& end : csv_ends) {
            if (end.size() <= rows.size()) expected = end;
        }
        EXPECT_EQ(table, expected) << "at " << cut;
        for (const auto& name : names())
            fs::remove(folder_ / name);
    }
}

TEST_F(recovery_test, blocks_that_never_reached_the_disk_end_the_rows) {
    std::string second = line(1, 1);
    second[5] = '\0';
    leave("faces.ndjson", line(0, 1) + second + line(2, 1));
    leave("faces.csv", std::string("a,b\r\n1,2\r\n\0\0\0\0\r\n3,4\r\n", 21));
    recovered();
    EXPECT_EQ(test::contents(folder_ / "faces.ndjson"), line(0, 1));
    EXPECT_EQ(test::contents(folder_ / "faces.csv"), "a,b\r\n1,2\r\n");
}

// Each record is looked through once, and none is read whole that has no end.
TEST_F(recovery_test, much_that_is_no_record_is_passed_over) {
    leave("faces.csv", "a,b\r\n1,2\r\n\"" + std::string(std::size_t{70} << 20, 'x'));
    leave("faces.ndjson", line(0, 1) + std::string(std::size_t{30} << 20, '\0'));
    recovered();
    EXPECT_EQ(test::contents(folder_ / "faces.csv"), "a,b\r\n1,2\r\n");
    EXPECT_EQ(test::contents(folder_ / "faces.ndjson"), line(0, 1));
}

TEST_F(recovery_test, events_are_recovered_and_are_no_faces) {
    leave("events.csv", "track,event\r\n1,blink\r\n1,blink\r\n1,bl");
    leave("faces.csv", "a\r\n1\r\n");
    recovered();
    EXPECT_EQ(test::contents(folder_ / "events.csv"), "track,event\r\n1,blink\r\n1,blink\r\n");
    EXPECT_EQ(summary()["faces"], 1);
}

TEST_F(recovery_test, nothing_is_replaced_and_a_run_s_files_keep_together) {
    std::ofstream(folder_ / "faces.ndjson") << line(7, 0);
    leave("faces.ndjson", line(0, 1));
    leave("faces.csv", "a\r\n1\r\n");
    recovered();
    EXPECT_EQ(test::contents(folder_ / "faces.ndjson"), line(7, 0));
    EXPECT_EQ(names(), (std::set<std::string>{"faces.ndjson", "faces-recovered.ndjson", "faces-recovered.csv",
                                              "summary-recovered.json"}));
    EXPECT_EQ(summary("summary-recovered.json")["frames"], 1);
}

TEST_F(recovery_test, two_killed_runs_stay_apart) {
    leave("faces.ndjson", line(0, 1), "0001");
    leave("faces.ndjson", line(0, 1) + line(1, 1), "0002");
    const auto done = recovered();
    EXPECT_EQ(done.runs, 2u);
    EXPECT_EQ(done.frames, 3u);
    EXPECT_EQ(test::contents(folder_ / "faces.ndjson"), line(0, 1));
    EXPECT_EQ(test::contents(folder_ / "faces-recovered.ndjson"), line(0, 1) + line(1, 1));
}

TEST_F(recovery_test, what_a_run_that_goes_on_writes_is_left_alone) {
    auto live = part_file::create(folder_ / "faces.ndjson", "0001");
    ASSERT_OK(live);
    const std::string text = line(0, 1) + "{\"inp";
    ASSERT_EQ(::write(live->descriptor(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    const auto found = find_leftovers(folder_.path());
    ASSERT_EQ(found.size(), 1u);
    EXPECT_TRUE(found[0].live);
    EXPECT_EQ(recovered().runs, 0u);
    EXPECT_EQ(test::contents(live->path()), text);
}

TEST_F(recovery_test, links_and_what_is_not_a_run_s_are_left_alone) {
    std::ofstream(folder_ / "victim") << "keep me";
    fs::create_symlink("victim", folder_ / ".faces.ndjson.part-0001");
    fs::create_hard_link(folder_ / "victim", folder_ / ".faces.csv.part-0002");
    std::ofstream(folder_ / ".notes.txt.part-0003") << "mine";
    const auto before = names();
    EXPECT_EQ(recovered().written.size(), 0u);
    EXPECT_EQ(names(), before);
    EXPECT_EQ(test::contents(folder_ / "victim"), "keep me");
}

TEST_F(recovery_test, a_run_that_was_killed_before_its_first_row_leaves_nothing) {
    for (const char* name : {"faces.ndjson", "faces.csv", "annotated.mp4", "annotated.mp4.finishing", "summary.json"})
        leave(name, "");
    const auto done = recovered();
    EXPECT_EQ(done.runs, 0u);
    EXPECT_EQ(names(), std::set<std::string>());
    EXPECT_EQ(recovered().runs, 0u) << "again";
}

TEST_F(recovery_test, half_a_trace_is_of_no_use_and_a_whole_one_is_kept) {
    leave("faces.ndjson", line(0, 1));
    leave("trace.json", "");
    leave("other.json", R"({"traceEvents":[)");
    leave("whole.json", R"({"traceEvents":[]})");
    recovered();
    EXPECT_EQ(names(), (std::set<std::string>{"faces.ndjson", "summary.json", "whole.json"}));
}

TEST_F(recovery_test, a_video_of_which_nothing_reads_stays_as_it_is) {
    leave("faces.ndjson", line(0, 1));
    leave("annotated.mp4", "no video");
    const auto done = recovered();
    ASSERT_EQ(done.notes.size(), 1u);
    EXPECT_NE(done.notes[0].find("stays as it is"), std::string::npos) << done.notes[0];
    EXPECT_EQ(names().count(std::string(".annotated.mp4.part-") + token), 1u);
}

TEST_F(recovery_test, a_folder_that_is_not_there_is_an_error) {
    const auto done = recover(folder_ / "none");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, errc::not_found);
}

}  // namespace
}  // namespace faceflow::internal
