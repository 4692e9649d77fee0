// SPDX-License-Identifier: Apache-2.0
// Processes that are started, watched, killed and never left behind; how they find each other; the words that they share.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include "ipc/control_page.hpp"
#include "ipc/listener.hpp"
#include "ipc/restart_budget.hpp"
#include "peer.hpp"
#include "support.hpp"

namespace faceflow::internal::ipc {
namespace {

using test::in;
using test::soon;
using testing::HasSubstr;
using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

child_process start(const std::vector<std::string>& arguments) {
    return child_process::spawn(test::program("faceflow_ipc_peer"), arguments, {}).value();
}

bool has_children() {
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

// ---- child_process

TEST(ipc_child, its_exit_is_told_in_words) {
    auto three = start({"exit", "3"});
    EXPECT_EQ(three.wait_for(soon()).value().in_words(), "exit status 3");
    EXPECT_FALSE(three.wait_for(soon())->clean());
    EXPECT_TRUE(start({"exit", "0"}).wait_for(soon())->clean());
    auto killed = start({"pause"});
    EXPECT_FALSE(killed.wait_for(in(5ms)));
    killed.kill();
    EXPECT_EQ(killed.wait_for(soon()).value().in_words(), "killed by signal 9 (SIGKILL)");
    killed.kill();
    EXPECT_EQ(killed.activity().now, process_activity::state::gone);
}

TEST(ipc_child, a_kill_from_outside_is_seen_at_once) {
    auto child = start({"pause"});
    ASSERT_EQ(::kill(child.id(), SIGKILL), 0);
    ASSERT_TRUE(child.wait_for(soon()));
}

TEST(ipc_child, no_child_and_no_descriptor_is_left_when_its_owner_goes) {
    const std::size_t before = test::open_descriptors();
    {
        auto one = start({"pause"}), two = start({"exit", "0"});
        one = start({"pause"});
        const child_process moved = std::move(two);
    }
    EXPECT_FALSE(has_children());
    EXPECT_EQ(test::open_descriptors(), before);
}

TEST(ipc_child, has_the_descriptors_that_it_was_given_and_no_others) {
    const unique_fd leaky(::open("/dev/null", O_RDONLY));  // not close-on-exec, as some library opens it
    const unique_fd high(::fcntl(leaky.get(), F_DUPFD, 200));
    auto peer = test::start_peer({"descriptors"});
    const auto m = peer.to.receive(soon());
    ASSERT_OK(m);
    std::vector<int> open(m->body.size() / sizeof(int));
    std::memcpy(open.data(), m->body.data(), m->body.size());
    EXPECT_THAT(open, testing::ElementsAre(3));
}

TEST(ipc_child, descriptors_may_change_places) {
    auto [a, b] = channel::make_pair().value();
    const unique_fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const unique_fd theirs(::fcntl(b.descriptor(), F_DUPFD_CLOEXEC, 10));
    const std::vector<inherited_fd> swapped{{null.get(), theirs.get()}, {theirs.get(), 3}};
    auto child =
        child_process::spawn(test::program("faceflow_ipc_peer"), std::vector<std::string>{"descriptors"}, swapped);
    ASSERT_OK(child);
    const auto m = a.receive(soon());
    ASSERT_OK(m);
    EXPECT_EQ(m->body.size(), 2 * sizeof(int));
    const std::vector<inherited_fd> twice{{null.get(), 4}, {null.get(), 4}}, outside{{null.get(), 2}};
    EXPECT_FALSE(child_process::spawn("/bin/true", {}, twice));
    EXPECT_FALSE(child_process::spawn("/bin/true", {}, outside));
}

TEST(ipc_child, a_program_that_is_not_there_is_an_error) {
    const auto none = child_process::spawn("/no/such/program", {}, {});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, errc::not_found);
    EXPECT_THAT(none.error().message, HasSubstr("/no/such/program"));
}

TEST(ipc_child, its_activity_tells_work_from_sleep_and_from_being_stopped) {
    using state = process_activity::state;
    const auto reaches = [](const child_process& c, auto condition) {
        for (const auto end = soon(); clock::now() < end; std::this_thread::sleep_for(1ms)) {
            if (condition(c.activity())) return true;
        }
        return false;
    };
    auto sleeper = start({"pause"}), spinner = start({"spin"});
    EXPECT_TRUE(reaches(sleeper, [](const auto& a) { return a.now == state::sleeping; }));
    EXPECT_TRUE(reaches(spinner, [](const auto& a) { return a.now == state::running && a.cpu_time > 20ms; }));
    spinner.send_signal(SIGSTOP);
    EXPECT_TRUE(reaches(spinner, [](const auto& a) { return a.now == state::stopped; }));
    spinner.kill();
    EXPECT_TRUE(reaches(spinner, [](const auto& a) { return a.now == state::gone; }));
}

TEST(ipc_child, its_activity_may_be_asked_while_it_ends_and_is_reaped) {
    // The kernel reaps at once when SIGCHLD is ignored: its file in /proc may go between two system calls of a look at it.
    const auto before = ::signal(SIGCHLD, SIG_IGN);
    for (int i = 0; i < 200; ++i) {
        auto child = start({"pause"});
        child.kill();
        for (const auto end = soon(); child.activity().now != process_activity::state::gone;)
            ASSERT_LT(clock::now(), end);
    }
    ::signal(SIGCHLD, before);
}

TEST(ipc_child, dies_with_its_owner) {
    auto owner = test::start_peer({"own"});
    const auto m = owner.to.receive(soon());
    ASSERT_OK(m);
    const int grandchild = body_as<int>(*m).value();
    EXPECT_EQ(::kill(grandchild, 0), 0);
    owner.child.kill();
    // Both held the other end.
    EXPECT_EQ(owner.to.receive(soon()).error().code, errc::unavailable);
}

TEST(ipc_child, the_end_of_a_process_ends_its_channel) {
    auto peer = test::start_peer({"echo"});
    ASSERT_OK(peer.to.send(1, 1, soon()));
    ASSERT_OK(peer.to.receive(soon()));
    peer.child.kill();
    const auto closed = peer.to.receive(soon());
    ASSERT_FALSE(closed);
    EXPECT_EQ(closed.error().code, errc::unavailable);
}

// ---- semaphores, control pages

unique_fd copy_of(const control_page& page) {
    return unique_fd(::fcntl(page.descriptor(), F_DUPFD_CLOEXEC, 0));
}

TEST(ipc_control_page, a_word_raised_in_another_process_wakes_who_waits_also_through_a_read_only_view) {
    auto page = control_page::create(1).value();
    const auto watching = control_page::open(copy_of(page), 1, access::read_only);
    auto peer = test::start_peer({"raise"});
    ASSERT_OK(watching);
    EXPECT_FALSE(wait_until((*watching)[0], 7, in(5ms)));
    ASSERT_OK(peer.to.send(1, 0, soon(), std::vector{page.descriptor()}));
    EXPECT_TRUE(wait_until((*watching)[0], 7, soon()));
    EXPECT_EQ(page[0].value, 7u);
}

TEST(ipc_control_page, words_start_at_zero_only_grow_and_lie_apart) {
    auto page = control_page::create(100).value();
    for (std::size_t i = 0; i < page.words(); ++i)
        EXPECT_EQ(page[i].value, 0u);
    raise(page[99], 5);
    raise(page[99], 3);
    EXPECT_EQ(page[99].value, 5u);
    EXPECT_EQ(reinterpret_cast<char*>(&page[1]) - reinterpret_cast<char*>(&page[0]), 64);
    EXPECT_EQ(page.pages().size() % 4096, 0u);
}

TEST(ipc_control_page, one_that_is_none_is_refused) {
    EXPECT_FALSE(control_page::create(0));
    EXPECT_FALSE(control_page::create(std::size_t{1} << 40));
    const auto page = control_page::create(64).value();
    EXPECT_OK(control_page::open(copy_of(page), 64, access::read_write));
    EXPECT_EQ(control_page::open(copy_of(page), 65, access::read_write).error().code, errc::corrupt);
    unique_fd unsealed(::memfd_create("test", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(unsealed.get(), 4096), 0);
    EXPECT_EQ(control_page::open(std::move(unsealed), 1, access::read_write).error().code, errc::corrupt);
}

TEST(ipc_timeline, many_threads_raise_and_wait_and_none_is_lost) {
    semaphore word;
    std::vector<std::thread> threads;
    std::atomic<int> woken{0};
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (std::uint64_t v = 1; v <= 500; ++v)
                woken += wait_until(word, v, soon());
        });
    }
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
            for (std::uint64_t v = 1; v <= 500; ++v)
                raise(word, v);
        });
    }
    for (auto& t : threads)
        t.join();
    EXPECT_EQ(woken, 2000);
}

// ---- listener

class ipc_listener : public testing::Test {
protected:
    const test::temporary_folder folder_;
    const std::filesystem::path path_ = folder_ / "socket";
};

TEST_F(ipc_listener, hands_a_connection_to_both_ends_and_removes_its_file) {
    {
        auto here = listener::open(path_).value();
        auto client = connect_to(path_, soon());
        ASSERT_OK(client);
        auto server = here.accept(soon());
        ASSERT_OK(server);
        ASSERT_OK(client->send(5, 1, soon()));
        EXPECT_EQ(server->receive(soon()).value().kind, 5);
        EXPECT_EQ(server->other_end().value().process_id, ::getpid());
    }
    EXPECT_FALSE(std::filesystem::exists(path_));
    EXPECT_EQ(connect_to(path_, soon()).error().code, errc::not_found);
}

TEST_F(ipc_listener, waits_no_longer_than_it_is_told_and_can_be_stopped) {
    auto here = listener::open(path_).value();
    EXPECT_EQ(here.accept(in(5ms)).error().code, errc::timeout);
    std::thread other([&] {
        std::this_thread::sleep_for(5ms);
        here.stop();
    });
    EXPECT_EQ(here.accept(soon()).error().code, errc::interrupted);
    other.join();
    EXPECT_EQ(here.accept(soon()).error().code, errc::interrupted);
}

// As kill -9 leaves it.
void leave_dead_socket(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    const unique_fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
}

TEST_F(ipc_listener, what_a_dead_one_left_is_swept_by_who_connects_and_by_who_listens) {
    leave_dead_socket(path_);
    EXPECT_EQ(connect_to(path_, soon()).error().code, errc::not_found);
    EXPECT_FALSE(std::filesystem::exists(path_));
    leave_dead_socket(path_);
    EXPECT_OK(listener::open(path_));
}

TEST_F(ipc_listener, a_living_one_and_other_files_are_left_alone) {
    const auto here = listener::open(path_).value();
    const auto second = listener::open(path_);
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message, HasSubstr("a process that listens there"));
    EXPECT_OK(connect_to(path_, soon()));
    std::ofstream(folder_ / "file") << "kept";
    EXPECT_FALSE(listener::open(folder_ / "file"));
    EXPECT_EQ(test::contents(folder_ / "file"), "kept");
}

TEST_F(ipc_listener, a_directory_that_others_can_enter_is_refused) {
    std::filesystem::create_directory(folder_ / "open");
    ASSERT_EQ(::chmod((folder_ / "open").c_str(), 0755), 0);
    EXPECT_FALSE(require_private(folder_ / "open"));
    EXPECT_FALSE(listener::open(folder_ / "open" / "socket"));
    std::filesystem::create_directory_symlink(folder_.path(), folder_ / "link");
    EXPECT_FALSE(require_private(folder_ / "link"));
    EXPECT_OK(require_private(folder_.path()));
    EXPECT_FALSE(require_private(folder_ / "none"));
}

TEST_F(ipc_listener, a_path_too_long_for_a_socket_is_refused_in_words) {
    const auto refused = listener::open(folder_ / std::string(120, 'x'));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("107 bytes"));
}

// ---- restart_budget

TEST(ipc_restart_budget, refuses_after_its_last_restart_and_names_the_last_exit) {
    restart_budget budget(3, 10s);
    const auto start = clock::time_point(100s);
    for (int i = 0; i < 3; ++i)
        ASSERT_OK(budget.spend(start + i * 1s, "detect", "exit status 1"));
    const auto refused = budget.spend(start + 9s, "detect", "killed by signal 11 (SIGSEGV)");
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message,
                HasSubstr("detect ended again (killed by signal 11 (SIGSEGV)) after 3 restarts "
                          "within 10 s"));
    EXPECT_OK(budget.spend(start + 10s, "detect", "")) << "the first is out of the window";
    EXPECT_FALSE(budget.spend(start + 10s, "detect", ""));
    EXPECT_EQ(budget.spent(start + 60s), 0u);
}

TEST(ipc_restart_budget, refuses_what_fails_to_start_again_and_again_however_slowly) {
    restart_budget budget(3, 10s);
    auto now = clock::time_point(100s);
    const auto start = [&](bool comes_to_work) {
        const auto allowed = budget.spend(now += 60s, "landmark", "out of memory");
        if (allowed) budget.enter(comes_to_work);
        return allowed;
    };
    EXPECT_OK(start(false));
    EXPECT_OK(start(false));
    EXPECT_OK(start(true)) << "from here they are counted anew";
    for (int i = 0; i < 3; ++i)
        EXPECT_OK(start(false));
    const auto refused = start(true);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, errc::unavailable);
    EXPECT_THAT(refused.error().message, HasSubstr("landmark did not start 3 times in a row (out of memory)"));
}

}  // namespace
}  // namespace faceflow::internal::ipc
