// SPDX-License-Identifier: Apache-2.0
#include "core/output_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include "support.hpp"

namespace faceflow::internal {
namespace {
namespace fs = std::filesystem;

std::string content(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::size_t files_in(const fs::path& folder) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

class output_file_test : public testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "faceflow-atomic-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
    }
    void TearDown() override { fs::remove_all(folder); }
    fs::path folder;
};

TEST_F(output_file_test, appears_whole_on_commit) {
    auto file = output_file::open(folder / "out.txt");
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->append("one "));
    ASSERT_TRUE(file->append(std::string(1'000'000, 'x')));
    ASSERT_TRUE(file->append(" two"));
    EXPECT_FALSE(fs::exists(folder / "out.txt"));
    ASSERT_TRUE(file->commit());
    EXPECT_EQ(content(folder / "out.txt"), "one " + std::string(1'000'000, 'x') + " two");
    EXPECT_EQ(files_in(folder), 1u);
    EXPECT_TRUE(file->commit());
    EXPECT_EQ(file->append("late").error().code, errc::internal);
}

TEST_F(output_file_test, what_was_written_stays_without_commit) {
    {
        auto file = output_file::open(folder / "out.txt", {"0123", {}});
        ASSERT_OK(file);
        ASSERT_OK(file->append("record\n"));
        EXPECT_EQ(files_in(folder), 1u);
    }
    EXPECT_EQ(content(folder / ".out.txt.part-0123"), "record\n");
    EXPECT_FALSE(fs::exists(folder / "out.txt"));
}

TEST_F(output_file_test, without_a_record_or_discarded_nothing_stays) {
    { ASSERT_OK(output_file::open(folder / "empty.txt")); }
    auto file = output_file::open(folder / "out.txt");
    ASSERT_OK(file);
    ASSERT_OK(file->append("record\n"));
    ASSERT_OK(file->flush());
    file->discard();
    EXPECT_EQ(files_in(folder), 0u);
}

TEST_F(output_file_test, flushed_records_are_in_the_file_whatever_becomes_of_the_process) {
    const pid_t child = fork();
    if (child == 0) {
        auto file = output_file::open(folder / "out.txt", {"0123", {}});
        if (!file || !file->append("one\n") || !file->flush() || !file->append("two\n")) _exit(1);
        ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(content(folder / ".out.txt.part-0123"), "one\n");
}

TEST_F(output_file_test, an_old_file_stays_until_commit_and_keeps_its_permissions) {
    const fs::path target = folder / "out.txt";
    std::ofstream(target) << "old";
    ::chmod(target.c_str(), 0640);
    auto file = output_file::open(target);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->append("new"));
    EXPECT_EQ(content(target), "old");
    ASSERT_TRUE(file->commit());
    EXPECT_EQ(content(target), "new");
    EXPECT_EQ(static_cast<int>(fs::status(target).permissions()), 0640);
}

TEST_F(output_file_test, of_two_writers_of_one_target_both_stay) {
    std::ofstream(folder / "out.txt") << "old";
    auto first = output_file::open(folder / "out.txt"), second = output_file::open(folder / "out.txt");
    ASSERT_TRUE(first && second);
    ASSERT_TRUE(first->append("first") && second->append("second"));
    EXPECT_EQ(second->commit().value(), folder / "out.txt");
    EXPECT_EQ(first->commit().value(), folder / "out-2.txt");
    EXPECT_EQ(content(folder / "out.txt"), "second");
    EXPECT_EQ(content(folder / "out-2.txt"), "first");
    EXPECT_EQ(files_in(folder), 2u);
}

TEST_F(output_file_test, a_link_is_replaced_and_what_it_points_to_stays) {
    std::ofstream(folder / "real.txt") << "old";
    fs::create_symlink("real.txt", folder / "link.txt");
    auto file = output_file::open(folder / "link.txt");
    ASSERT_TRUE(file && file->append("new") && file->commit());
    EXPECT_FALSE(fs::is_symlink(folder / "link.txt"));
    EXPECT_EQ(content(folder / "link.txt"), "new");
    EXPECT_EQ(content(folder / "real.txt"), "old");
}

TEST_F(output_file_test, a_link_to_a_device_is_replaced_too) {
    fs::create_symlink("/dev/full", folder / "link.txt");
    auto file = output_file::open(folder / "link.txt");
    ASSERT_TRUE(file && file->append("new") && file->commit());
    EXPECT_EQ(content(folder / "link.txt"), "new");
}

// A limit on the size of files fails as a full disk does, and needs no rights.
TEST_F(output_file_test, a_disk_that_fills_up_leaves_whole_records) {
    const pid_t child = fork();
    if (child == 0) {
        const rlimit limit{1000, 1000};
        setrlimit(RLIMIT_FSIZE, &limit);
        std::signal(SIGXFSZ, SIG_IGN);
        auto file = output_file::open(folder / "out.txt");
        result<void> outcome;
        for (int i = 0; i < 200 && outcome; ++i)
            outcome = file->append("a record of twenty..\n");
        if (outcome) outcome = file->flush();
        if (outcome || outcome.error().code != errc::io || file->commit()) _exit(1);
        const auto kept = file->keep();
        _exit(kept == folder / "out.txt" ? 0 : 2);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    const std::string text = content(folder / "out.txt");
    EXPECT_EQ(text.size(), 47u * 21);  // as many as have room in a thousand bytes
    EXPECT_EQ(text.substr(text.size() - 3), "..\n");
    EXPECT_EQ(files_in(folder), 1u);
}

TEST_F(output_file_test, what_is_not_whole_replaces_no_older_file) {
    std::ofstream(folder / "out.txt") << "old";
    auto file = output_file::open(folder / "out.txt");
    ASSERT_TRUE(file && file->append("some\n") && file->flush());
    EXPECT_EQ(file->keep(), folder / "out-unfinished.txt");
    EXPECT_EQ(content(folder / "out.txt"), "old");
    EXPECT_EQ(content(folder / "out-unfinished.txt"), "some\n");
}

TEST_F(output_file_test, a_finished_file_whose_name_was_made_a_folder_gets_another) {
    auto file = output_file::open(folder / "out.txt");
    ASSERT_TRUE(file && file->append("rows\n"));
    fs::create_directory(folder / "out.txt");
    const auto path = file->commit();
    ASSERT_OK(path);
    EXPECT_EQ(*path, folder / "out-2.txt");
    EXPECT_EQ(content(*path), "rows\n");
}

TEST_F(output_file_test, a_file_in_work_is_locked_and_a_dead_one_is_not) {
    auto part = part_file::create(folder / "out.txt", "0123");
    ASSERT_OK(part);
    ASSERT_EQ(::write(part->descriptor(), "x", 1), 1);
    EXPECT_EQ(part_file::adopt(part->path()).error().code, errc::unavailable);
    const fs::path left = part->path();
    { const part_file closed = std::move(*part); }
    auto adopted = part_file::adopt(left);
    ASSERT_OK(adopted);
    EXPECT_EQ(adopted->target(), folder / "out.txt");
}

TEST_F(output_file_test, parts_of_others_links_and_folders_are_not_adopted) {
    std::ofstream(folder / "mine") << "x";
    fs::create_symlink("mine", folder / ".out.txt.part-01");
    fs::create_hard_link(folder / "mine", folder / ".out.txt.part-02");
    fs::create_directory(folder / ".out.txt.part-03");
    ASSERT_EQ(::mkfifo((folder / ".out.txt.part-04").c_str(), 0600), 0);
    for (const char* name : {".out.txt.part-01", ".out.txt.part-02", ".out.txt.part-03", ".out.txt.part-04", "mine"})
        EXPECT_FALSE(part_file::adopt(folder / name)) << name;
}

TEST_F(output_file_test, a_file_of_another_user_gives_no_permissions) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can make a file of another user";
    const fs::path target = folder / "out.txt";
    std::ofstream(target) << "";
    ::chmod(target.c_str(), 0666);
    ASSERT_EQ(::chown(target.c_str(), 65534, 65534), 0);
    const mode_t before = ::umask(077);
    auto file = output_file::open(target);
    ::umask(before);
    ASSERT_TRUE(file && file->append("x") && file->commit());
    EXPECT_EQ(static_cast<int>(fs::status(target).permissions()), 0600);
}

TEST_F(output_file_test, what_is_buffered_is_kept_with_the_rest) {
    auto file = output_file::open(folder / "out.txt");
    ASSERT_TRUE(file && file->append("one\n") && file->flush() && file->append("two\n"));
    EXPECT_EQ(file->keep(), folder / "out.txt");
    EXPECT_EQ(content(folder / "out.txt"), "one\ntwo\n");
}

TEST_F(output_file_test, a_stream_that_is_not_for_writing_is_an_error) {
    const int reads = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT_FALSE(output_file::open("/dev/fd/" + std::to_string(reads)));
    ::close(reads);
}

TEST_F(output_file_test, a_part_is_never_made_where_something_lies) {
    std::ofstream(folder / "victim") << "kept";
    fs::create_symlink("victim", folder / ".out.txt.part-0123");
    EXPECT_EQ(part_file::create(folder / "out.txt", "0123").error().code, errc::io);
    EXPECT_EQ(content(folder / "victim"), "kept");
    EXPECT_NE(make_part_token(), make_part_token());
    EXPECT_EQ(make_part_token().size(), 16u);
}

TEST_F(output_file_test, a_reader_that_does_not_read_is_left_once_it_is_time_to_stop) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    std::stop_source stop;
    auto file = output_file::open("/proc/self/fd/" + std::to_string(ends[1]), {{}, stop.get_token()});
    ASSERT_OK(file);
    stop.request_stop();
    const auto outcome = file->append(std::string(1'000'000, 'x'));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, errc::interrupted);
    EXPECT_EQ(::fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0) << "who shares the pipe finds it as it was";
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_F(output_file_test, a_pipe_gets_each_record_at_once) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    auto file = output_file::open("/dev/fd/" + std::to_string(ends[1]));
    ASSERT_TRUE(file && file->append("line\n"));
    char got[16];
    EXPECT_EQ(::read(ends[0], got, sizeof got), 5);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_F(output_file_test, half_a_document_is_not_left) {
    ASSERT_OK(write_document(folder / "whole.json", "{}"));
    EXPECT_EQ(content(folder / "whole.json"), "{}");
    EXPECT_FALSE(write_document("/dev/full", "{}"));
    EXPECT_EQ(files_in(folder), 1u);
}

TEST_F(output_file_test, a_full_device_gives_io_and_stays_broken) {
    auto file = output_file::open("/dev/full");
    ASSERT_TRUE(file);
    const auto done = file->append("small, and told of at once");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, errc::io);
    EXPECT_NE(done.error().message.find("/dev/full: No space left on device"), std::string::npos)
        << done.error().message;
    EXPECT_FALSE(file->append("more"));
    EXPECT_FALSE(file->commit());
    EXPECT_TRUE(fs::exists("/dev/full"));
}

TEST_F(output_file_test, a_fifo_is_written_directly) {
    const fs::path fifo = folder / "fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    std::string got;
    std::thread reader([&] { got = content(fifo); });
    auto file = output_file::open(fifo);
    ASSERT_TRUE(file && file->append("through") && file->commit());
    reader.join();
    EXPECT_EQ(got, "through");
    EXPECT_TRUE(fs::is_fifo(fifo));
}

TEST_F(output_file_test, a_stream_of_the_process_goes_on_where_it_was) {
    const int out = ::open((folder / "log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_EQ(::write(out, "before ", 7), 7);
    auto file = output_file::open("/dev/fd/" + std::to_string(out));
    ASSERT_OK(file);
    ASSERT_OK(file->append("lines "));
    ASSERT_OK(file->commit());
    ASSERT_EQ(::write(out, "after", 5), 5);
    ::close(out);
    EXPECT_EQ(content(folder / "log"), "before lines after");
}

TEST_F(output_file_test, a_socket_of_the_process_is_written_also_where_it_does_not_wait) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    const std::string much(std::size_t{4} << 20, 'x');  // more than it takes at once
    std::string got;
    std::thread reader([&] {
        char part[4096];
        for (pollfd some{ends[1], POLLIN, 0}; got.size() < much.size() && ::poll(&some, 1, 10000) > 0;) {
            const auto n = ::read(ends[1], part, sizeof part);
            if (n > 0) got.append(part, static_cast<std::size_t>(n));
        }
    });
    auto file = output_file::open("/proc/self/fd/" + std::to_string(ends[0]));
    ASSERT_OK(file);
    EXPECT_OK(file->append(much));
    EXPECT_OK(file->commit());
    reader.join();
    EXPECT_EQ(got.size(), much.size());
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_F(output_file_test, impossible_places_are_errors_that_name_them) {
    std::ofstream(folder / "file") << "x";
    for (const fs::path& target : {folder / "missing" / "out.txt", folder / "file" / "out.txt", folder}) {
        const auto file = output_file::open(target);
        ASSERT_FALSE(file) << target;
        EXPECT_EQ(file.error().code, errc::io);
        EXPECT_NE(file.error().message.find(target.string()), std::string::npos) << file.error().message;
    }
    if (::geteuid() == 0) return;  // root may write anywhere
    fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_EQ(output_file::open(folder / "out.txt").error().code, errc::io);
    fs::permissions(folder, fs::perms::owner_all);
}

}  // namespace
}  // namespace faceflow::internal
