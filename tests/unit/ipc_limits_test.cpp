// SPDX-License-Identifier: Apache-2.0
// Where processes meet when somebody is in the way or a limit is reached, and memory that comes from who knows where.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <thread>

#include "core/sealed_memory.hpp"
#include "ipc/child_process.hpp"
#include "ipc/listener.hpp"
#include "limits.hpp"
#include "peer.hpp"
#include "support.hpp"

namespace faceflow::internal::ipc {
namespace {

using test::in;
using test::soon;
using testing::HasSubstr;
using namespace std::chrono_literals;

child_process started_peer(const std::vector<std::string>& arguments) {
    return child_process::spawn(test::program("faceflow_ipc_peer"), arguments, {}).value();
}

class runtime_directory : public testing::Test {
protected:
    void SetUp() override {
        for (const char* variable : {"XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "HOME"}) {
            const char* value = std::getenv(variable);
            before_.emplace_back(variable, value == nullptr ? std::nullopt : std::optional<std::string>(value));
            ::unsetenv(variable);
        }
        std::filesystem::create_directory(temporary_);
    }
    void TearDown() override {
        for (const auto& [variable, value] : before_)
            value ? ::setenv(variable, value->c_str(), 1) : ::unsetenv(variable);
    }
    // As another user would: a directory that is not this user's alone.
    void plant(int number) const {
        const std::string name = "faceflow-" + std::to_string(::geteuid());
        const auto path = temporary_ / (number == 1 ? name : name + "-" + std::to_string(number));
        std::filesystem::create_directory(path);
        ASSERT_EQ(::chmod(path.c_str(), 0777), 0);
    }
    std::filesystem::path usual() const { return temporary_ / ("faceflow-" + std::to_string(::geteuid())); }

    const test::temporary_folder folder_;
    const std::filesystem::path temporary_ = folder_ / "tmp";
    std::vector<std::pair<const char*, std::optional<std::string>>> before_;
};

TEST_F(runtime_directory, is_the_one_that_the_system_names_when_it_is_private) {
    ::setenv("XDG_RUNTIME_DIR", folder_.path().c_str(), 1);
    EXPECT_EQ(find_runtime_directory({}, temporary_).value().path, folder_.path());
    ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
    const auto other = find_runtime_directory({}, temporary_);
    ASSERT_OK(other);
    EXPECT_EQ(other->path, usual());
    EXPECT_EQ(other->note, "");
    EXPECT_OK(require_private(other->path));
}

TEST_F(runtime_directory, is_another_one_with_a_note_if_the_name_is_taken) {
    plant(1);
    plant(2);
    const auto found = find_runtime_directory({}, temporary_);
    ASSERT_OK(found);
    EXPECT_EQ(found->path, usual().string() + "-3");
    EXPECT_THAT(found->note, testing::AllOf(HasSubstr(found->path.string()), HasSubstr("'" + usual().string() + "'")));
    EXPECT_OK(require_private(found->path));
    // Who looks for a socket finds it, also when the name has come free since.
    std::ofstream(found->path / "socket") << "";
    std::filesystem::remove(usual());
    EXPECT_EQ(find_runtime_directory("socket", temporary_).value().path, found->path);
}

TEST_F(runtime_directory, is_in_the_users_own_cache_where_all_names_are_taken) {
    for (int i = 1; i <= 16; ++i)
        plant(i);
    EXPECT_FALSE(find_runtime_directory({}, temporary_)) << "and there is no home";
    ::setenv("HOME", (folder_ / "home").c_str(), 1);
    const auto found = find_runtime_directory({}, temporary_);
    ASSERT_OK(found);
    EXPECT_EQ(found->path, folder_ / "home/.cache/faceflow-run");
    EXPECT_OK(require_private(found->path));
    EXPECT_FALSE(found->note.empty());
}

TEST(ipc_at_its_limits, a_connection_that_there_is_no_descriptor_for_is_taken_later) {
    if (test::sanitized) GTEST_SKIP() << test::no_descriptors_for_sanitizers;
    const test::temporary_folder folder;
    const std::filesystem::path path_ = folder / "socket";
    auto here = listener::open(path_).value();
    auto client = connect_to(path_, soon());
    ASSERT_OK(client);
    {
        const test::no_more_descriptors none;
        EXPECT_EQ(here.accept(std::chrono::steady_clock::now()).error().code, errc::unavailable);
        const auto late = here.accept(in(50ms));
        ASSERT_FALSE(late);
        EXPECT_THAT(late.error().message, HasSubstr("ulimit -n"));
    }
    auto server = here.accept(soon());
    ASSERT_OK(server);
    ASSERT_OK(client->send(5, 1, soon()));
    EXPECT_EQ(server->receive(soon()).value().kind, 5);
}

// ---- signals and groups

TEST(ipc_at_its_limits, a_child_leads_a_group_of_its_own) {
    auto child = started_peer({"pause"});
    EXPECT_EQ(::getpgid(child.id()), child.id());
    EXPECT_NE(::getpgid(0), child.id());
    EXPECT_EQ(::getsid(child.id()), ::getsid(0)) << "but stays with the terminal";
}

TEST(ipc_at_its_limits, a_child_that_cannot_be_had_says_which_limit_it_was) {
    if (test::sanitized) GTEST_SKIP() << test::no_descriptors_for_sanitizers;
    const test::no_more_descriptors none;
    const auto refused = child_process::spawn("/bin/true", {}, std::vector<inherited_fd>{{0, 3}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::unavailable);
    EXPECT_THAT(refused.error().message, HasSubstr("ulimit -n"));
}

TEST(ipc_at_its_limits, a_child_under_a_limit_below_its_numbers_says_so) {
    const test::descriptor_limit low(40);
    const auto refused = child_process::spawn("/bin/true", {}, std::vector<inherited_fd>{{0, 3}});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("ulimit -n")) << "and not 'Invalid argument'";
}

TEST(ipc_at_its_limits, a_childs_activity_is_that_of_all_its_threads) {
    // The main thread waits for another one, which computes.
    auto child = started_peer({"spin_beside"});
    bool ran = false;
    for (const auto end = soon(); std::chrono::steady_clock::now() < end && !ran; std::this_thread::sleep_for(1ms))
        ran = child.activity().now == process_activity::state::running && child.cpu_time() > 20ms;
    EXPECT_TRUE(ran);
    const auto before = child.cpu_time();
    for (const auto end = soon(); std::chrono::steady_clock::now() < end && child.cpu_time() == before;)
        std::this_thread::sleep_for(1ms);
    EXPECT_GT(child.cpu_time(), before);
}

// ---- memory

TEST(sealed_memory, of_huge_pages_is_refused) {
    const unique_fd huge(::memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB));
    if (!huge) GTEST_SKIP() << "this kernel has none";
    ASSERT_EQ(::ftruncate(huge.get(), 2 << 20), 0);
    ASSERT_EQ(::fcntl(huge.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    const auto mapped = map_sealed_memory(huge.get(), 0, 4096, access::read_only);
    ASSERT_FALSE(mapped) << "touching it may end the process";
    EXPECT_EQ(mapped.error().code, errc::corrupt);
}

TEST(sealed_memory, that_is_sealed_against_writers_is_written_by_its_owner_alone) {
    const auto memory = make_sealed_memory("test", 4096).value();
    auto owner = map_sealed_memory(memory.get(), 0, 4096, access::read_write).value();
    ASSERT_OK(seal_against_writers(memory.get()));
    ASSERT_OK(seal_against_writers(memory.get())) << "done already";
    const unique_fd anew(::open(("/proc/self/fd/" + std::to_string(memory.get())).c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(anew);
    EXPECT_FALSE(map_sealed_memory(anew.get(), 0, 4096, access::read_write));
    EXPECT_LT(::pwrite(anew.get(), "x", 1, 0), 0);
    const auto reader = map_sealed_memory(anew.get(), 0, 4096, access::read_only);
    ASSERT_OK(reader);
    owner.data()[0] = std::byte{42};
    EXPECT_EQ(reader->data()[0], std::byte{42});
}

TEST(sealed_memory, without_a_descriptor_says_which_limit_it_was) {
    if (test::sanitized) GTEST_SKIP() << test::no_descriptors_for_sanitizers;
    const test::no_more_descriptors none;
    EXPECT_THAT(make_sealed_memory("test", 4096).error().message, HasSubstr("ulimit -n"));
}

}  // namespace
}  // namespace faceflow::internal::ipc
