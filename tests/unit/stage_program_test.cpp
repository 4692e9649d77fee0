// SPDX-License-Identifier: Apache-2.0
#include "flow/multi_process/stage_program.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "support.hpp"

namespace faceflow::internal::flow {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class stage_program : public ::testing::Test {
protected:
    fs::path put(const std::string& name, mode_t mode = 0755) const {
        const fs::path path = folder_ / name;
        fs::create_directories(path.parent_path());
        std::ofstream(path) << "#!/bin/sh\n";
        ::chmod(path.c_str(), mode);
        return path;
    }
    result<fs::path> found_by(const std::string& name) const {
        const std::vector<fs::path> programs{put(name)};
        return find_stage_program_for(programs);
    }

    const test::temporary_folder folder_;
};

TEST_F(stage_program, is_found_where_it_is_built_and_where_it_is_installed) {
    const auto built = put("build/faceflow-stage"), installed = put("usr/libexec/faceflow/faceflow-stage");
    EXPECT_EQ(found_by("build/faceflow").value(), built);
    for (const char* program : {"usr/bin/faceflow", "usr/lib/libfaceflow.so.0.2",
                                "usr/lib/x86_64-linux-gnu/libfaceflow.so.0.2", "usr/lib64/libfaceflow.so.0.2"})
        EXPECT_EQ(found_by(program).value(), installed) << program;
}

TEST_F(stage_program, is_nowhere_else) {
    put("faceflow-stage");
    put("libexec/faceflow/faceflow-stage");
    for (const char* program : {"downloads/faceflow", "deep/down/faceflow"}) {
        const auto found = found_by(program);
        ASSERT_FALSE(found) << *found;
        EXPECT_EQ(found.error().code, errc::not_found);
        EXPECT_THAT(found.error().message, HasSubstr("FACEFLOW_STAGE"));
    }
}

TEST_F(stage_program, that_others_could_have_put_there_is_not_run) {
    put("shared/faceflow-stage");
    ::chmod((folder_ / "shared").c_str(), 01777);
    const auto in_a_shared_folder = found_by("shared/faceflow");
    ASSERT_FALSE(in_a_shared_folder);
    EXPECT_THAT(in_a_shared_folder.error().message, HasSubstr("another user"));

    put("own/faceflow-stage", 0777);
    EXPECT_FALSE(found_by("own/faceflow"));
    put("text/faceflow-stage", 0644);
    EXPECT_FALSE(found_by("text/faceflow"));
    if (::geteuid() != 0) return;
    EXPECT_EQ(::chown(put("theirs/faceflow-stage").c_str(), 12345, 12345), 0);
    EXPECT_FALSE(found_by("theirs/faceflow"));
    // A checkout of somebody's that root runs: who could change the one could change the other.
    EXPECT_EQ(::chown(put("theirs/faceflow").c_str(), 12345, 12345), 0);
    const std::vector<fs::path> all_theirs{folder_ / "theirs/faceflow"};
    EXPECT_TRUE(find_stage_program_for(all_theirs));
}

TEST(stage_program_of_this_build, is_beside_it) {
    EXPECT_EQ(find_stage_program().value(), test::program("faceflow-stage"));
}

}  // namespace
}  // namespace faceflow::internal::flow
