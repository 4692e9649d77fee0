// SPDX-License-Identifier: Apache-2.0
#include "core/processors.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <fstream>
#include <string>
#include <thread>

#include "support.hpp"

namespace faceflow::internal {
namespace {

namespace fs = std::filesystem;

// A folder that holds what a machine would have under /.
class processors : public ::testing::Test {
protected:
    void write(const fs::path& path, const std::string& text) const {
        fs::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text;
    }
    void unified(const std::string& top = "/") const {
        write("proc/self/mountinfo",
              "22 1 8:1 / / rw - ext4 /dev/vda rw\n"
              "30 22 0:26 " +
                  top + " /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
    }
    void separate(const std::string& top = "/") const {
        write("proc/self/mountinfo", "31 22 0:27 " + top +
                                         " /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
                                         "33 22 0:28 " +
                                         top +
                                         " /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n");
    }

    const test::temporary_folder folder_;
    const fs::path root_ = folder_.path();
};

TEST_F(processors, without_groups_nothing_limits) {
    EXPECT_EQ(granted_processors(root_), std::nullopt);
    EXPECT_EQ(usable_processors(6, std::nullopt), 6);
}

TEST_F(processors, the_least_quota_on_the_way_up_counts) {
    unified();
    write("proc/self/cgroup", "0::/a/b/c\n");
    write("sys/fs/cgroup/a/cpu.max", "150000 100000\n");
    write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    write("sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n");
    write("sys/fs/cgroup/other/cpu.max", "1000 100000\n");
    EXPECT_EQ(granted_processors(root_), 1.5);
    EXPECT_EQ(usable_processors(8, 1.5), 2);
}

TEST_F(processors, a_container_sees_its_group_as_the_top) {
    unified();
    write("proc/self/cgroup", "0::/\n");
    write("sys/fs/cgroup/cpu.max", "8000 100000\n");
    EXPECT_EQ(granted_processors(root_), 0.08);
    EXPECT_EQ(usable_processors(4, 0.08), 1);
}

TEST_F(processors, a_part_of_the_tree_may_be_mounted) {
    unified("/docker/1a2b");
    write("proc/self/cgroup", "0::/docker/1a2b/inner\n");
    write("sys/fs/cgroup/cpu.max", "300000 100000\n");
    write("sys/fs/cgroup/inner/cpu.max", "200000 100000\n");
    EXPECT_EQ(granted_processors(root_), 2.0);
}

TEST_F(processors, version_1_names_groups_by_controller) {
    separate();
    write("proc/self/cgroup", "5:cpuset:/elsewhere\n4:cpu,cpuacct:/user/x\n0::/user.slice\n");
    write("sys/fs/cgroup/cpu,cpuacct/user/cpu.cfs_quota_us", "250000\n");
    write("sys/fs/cgroup/cpu,cpuacct/user/cpu.cfs_period_us", "100000\n");
    write("sys/fs/cgroup/cpu,cpuacct/user/x/cpu.cfs_quota_us", "-1\n");
    write("sys/fs/cgroup/cpu,cpuacct/user/x/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(granted_processors(root_), 2.5);
}

// Docker with version 1: the host's name for the group, and the group itself mounted without it.
TEST_F(processors, a_group_that_is_not_below_what_is_mounted_is_what_is_mounted) {
    separate("/docker/ffff");
    write("proc/self/cgroup", "4:cpu,cpuacct:/system.slice/abc\n");
    write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
    write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(granted_processors(root_), 0.5);
}

TEST_F(processors, what_makes_no_sense_limits_nothing) {
    unified();
    write("proc/self/cgroup", "nonsense\n0::\n:::\n0::/x\n");
    for (const char* text : {"", "max", "-5 100000", "100000", "100000 0", "nan 100000", "a b", "0 100000"}) {
        write("sys/fs/cgroup/cpu.max", text);
        EXPECT_EQ(granted_processors(root_), std::nullopt) << text;
    }
    EXPECT_EQ(usable_processors(0, std::nullopt), 1);
    EXPECT_EQ(usable_processors(3, 1e300), 3);
}

TEST(this_process, has_as_many_as_its_affinity_at_most) {
    cpu_set_t before;
    ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i) {
        if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
    }
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    const auto usable = usable_processors();
    ::sched_setaffinity(0, sizeof before, &before);
    EXPECT_EQ(usable, 1);
    EXPECT_LE(usable_processors(), CPU_COUNT(&before));
}

}  // namespace
}  // namespace faceflow::internal
