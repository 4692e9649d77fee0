#include "core/atomic_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <thread>

#include "support.hpp"

namespace faceflow {
namespace {
namespace fs = std::filesystem;

std::string content(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::size_t files_in(const fs::path& folder) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

class atomic_file_test : public testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "faceflow-atomic-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
    }
    void TearDown() override { fs::remove_all(folder); }
    fs::path folder;
};

TEST_F(atomic_file_test, appears_whole_on_commit) {
    auto file = atomic_file::open(folder / "out.txt");
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

TEST_F(atomic_file_test, leaves_nothing_behind_without_commit) {
    {
        auto file = atomic_file::open(folder / "out.txt");
        ASSERT_TRUE(file);
        ASSERT_TRUE(file->append(std::string(1'000'000, 'x')));
        EXPECT_EQ(files_in(folder), 1u);
    }
    EXPECT_EQ(files_in(folder), 0u);
}

TEST_F(atomic_file_test, an_old_file_stays_until_commit_and_keeps_its_permissions) {
    const fs::path target = folder / "out.txt";
    std::ofstream(target) << "old";
    ::chmod(target.c_str(), 0640);
    auto file = atomic_file::open(target);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->append("new"));
    EXPECT_EQ(content(target), "old");
    ASSERT_TRUE(file->commit());
    EXPECT_EQ(content(target), "new");
    EXPECT_EQ(static_cast<int>(fs::status(target).permissions()), 0640);
}

TEST_F(atomic_file_test, two_writers_of_one_target_do_not_mix) {
    auto first = atomic_file::open(folder / "out.txt"), second = atomic_file::open(folder / "out.txt");
    ASSERT_TRUE(first && second);
    ASSERT_TRUE(first->append("first") && second->append("second"));
    ASSERT_TRUE(second->commit() && first->commit());
    EXPECT_EQ(content(folder / "out.txt"), "first");
    EXPECT_EQ(files_in(folder), 1u);
}

TEST_F(atomic_file_test, follows_a_symbolic_link) {
    std::ofstream(folder / "real.txt") << "old";
    fs::create_symlink("real.txt", folder / "link.txt");
    auto file = atomic_file::open(folder / "link.txt");
    ASSERT_TRUE(file && file->append("new") && file->commit());
    EXPECT_TRUE(fs::is_symlink(folder / "link.txt"));
    EXPECT_EQ(content(folder / "real.txt"), "new");
}

TEST_F(atomic_file_test, a_full_device_gives_io_and_stays_broken) {
    auto file = atomic_file::open("/dev/full");
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->append("small: stays in the buffer"));
    const auto done = file->commit();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, errc::io);
    EXPECT_NE(done.error().message.find("/dev/full: No space left on device"), std::string::npos)
        << done.error().message;
    EXPECT_FALSE(file->append("more"));
    EXPECT_FALSE(file->commit());
    EXPECT_TRUE(fs::exists("/dev/full"));
}

TEST_F(atomic_file_test, a_fifo_is_written_directly) {
    const fs::path fifo = folder / "fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    std::string got;
    std::thread reader([&] { got = content(fifo); });
    auto file = atomic_file::open(fifo);
    ASSERT_TRUE(file && file->append("through") && file->commit());
    reader.join();
    EXPECT_EQ(got, "through");
    EXPECT_TRUE(fs::is_fifo(fifo));
}

TEST_F(atomic_file_test, a_stream_of_the_process_goes_on_where_it_was) {
    const int out = ::open((folder / "log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_EQ(::write(out, "before ", 7), 7);
    auto file = atomic_file::open("/dev/fd/" + std::to_string(out));
    ASSERT_OK(file);
    ASSERT_OK(file->append("lines "));
    ASSERT_OK(file->commit());
    ASSERT_EQ(::write(out, "after", 5), 5);
    ::close(out);
    EXPECT_EQ(content(folder / "log"), "before lines after");
}

TEST_F(atomic_file_test, a_socket_of_the_process_is_written_also_where_it_does_not_wait) {
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
    auto file = atomic_file::open("/proc/self/fd/" + std::to_string(ends[0]));
    ASSERT_OK(file);
    EXPECT_OK(file->append(much));
    EXPECT_OK(file->commit());
    reader.join();
    EXPECT_EQ(got.size(), much.size());
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_F(atomic_file_test, impossible_places_are_errors_that_name_them) {
    std::ofstream(folder / "file") << "x";
    for (const fs::path& target : {folder / "missing" / "out.txt", folder / "file" / "out.txt", folder}) {
        const auto file = atomic_file::open(target);
        ASSERT_FALSE(file) << target;
        EXPECT_EQ(file.error().code, errc::io);
        EXPECT_NE(file.error().message.find(target.string()), std::string::npos) << file.error().message;
    }
    if (::geteuid() == 0) return;  // root may write anywhere
    fs::permissions(folder, fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_EQ(atomic_file::open(folder / "out.txt").error().code, errc::io);
    fs::permissions(folder, fs::perms::owner_all);
}

}  // namespace
}  // namespace faceflow
