// SPDX-License-Identifier: Apache-2.0
// Frames that other programs read in place: what they see, and that whatever they do is their own loss alone.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "client/dlpack.hpp"
#include "media_testing.hpp"
#include "share/share_run.hpp"
#include "share_testing.hpp"

namespace faceflow::internal::share {
namespace {

using namespace testing_share;
using namespace std::chrono_literals;
using testing::HasSubstr;

class share_on : public share_test, public testing::WithParamInterface<const char*> {
protected:
    void SetUp() override { open(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(devices, share_on, testing::Values("cpu", "emulated"));

TEST_P(share_on, two_clients_get_the_same_frames_and_the_pixels_of_the_clip) {
    test_client first(path), second(path, 4, FF_LATEST);
    ASSERT_EQ(first.status, FF_OK) << first.error();
    ASSERT_EQ(second.status, FF_OK) << second.error();
    const auto clip = media::testing_media::open_or_fail(media::testing_media::plain_video());
    std::uint64_t frames = 0;
    while (auto read = clip->next().value()) {
        ASSERT_OK(server->publish(read->frame));
        for (test_client* c : {&first, &second}) {
            const auto f = c->next();
            ASSERT_NE(f, nullptr) << c->error();
            EXPECT_EQ(info_of(f).sequence, frames);
            EXPECT_EQ(info_of(f).pts_ns, read->frame.pts_ns);
            EXPECT_EQ(info_of(f).dropped, 0u);
            expect_same(f, read->frame.picture);
        }
        ++frames;
    }
    EXPECT_EQ(frames, 100u);
    EXPECT_EQ(server->counts().told.announced, 200u);
    EXPECT_EQ(server->counts().told.dropped(), 0u);
}

TEST_P(share_on, every_pixel_format_arrives_as_it_is) {
    test_client c(path);
    std::uint64_t sequence = 0;
    for (const pixel_format format : test::every_format) {
        const auto p = test::random_picture(format, 66, 34, 7, 5);
        publish(sequence++, p.view);
        const auto f = c.next();
        ASSERT_NE(f, nullptr) << name(format) << ": " << c.error();
        expect_same(f, p.view);
    }
}

TEST_P(share_on, a_size_that_changes_in_mid_stream_brings_new_memory) {
    test_client c(path);
    const auto small = picture(0), large = picture(1, 640, 360), small_again = picture(2);
    publish(0, small.view);
    publish(1, large.view);
    publish(2, small_again.view);
    const auto a = c.next(), b = c.next(), d = c.next();
    expect_same(a, small.view);
    expect_same(b, large.view);
    expect_same(d, small_again.view);
}

TEST_P(share_on, a_client_cannot_write_frame_memory) {
    test_client c(path);
    publish(0);
    const auto f = c.next();
    ASSERT_NE(f, nullptr);
    ff_memory m{};
    ASSERT_EQ(ff_frame_get_memory(f.get(), &m, sizeof m), FF_OK);
    EXPECT_EQ(::fcntl(m.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    const std::uint64_t pages = m.offset / 4096 * 4096;
    EXPECT_EQ(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd, static_cast<off_t>(pages)), MAP_FAILED);
    EXPECT_EQ(errno, EACCES);
    EXPECT_EQ(::write(m.fd, "x", 1), -1);
    void* const readable = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, m.fd, static_cast<off_t>(pages));
    ASSERT_NE(readable, MAP_FAILED);
    EXPECT_EQ(std::memcmp(static_cast<const char*>(readable) + (m.offset - pages), plane_of(f, 0).data, 64), 0);
    EXPECT_NE(::mprotect(readable, 4096, PROT_READ | PROT_WRITE), 0);
    ::munmap(readable, 4096);
    const auto address = reinterpret_cast<std::uintptr_t>(plane_of(f, 0).data) / 4096 * 4096;
    EXPECT_NE(::mprotect(reinterpret_cast<void*>(address), 4096, PROT_READ | PROT_WRITE), 0);
}

TEST_F(share_test, a_client_that_never_releases_misses_frames_while_the_other_gets_all) {
    test_client hog(path), other(path);
    std::vector<held_frame> held;
    for (std::uint64_t i = 0; i < 50; ++i) {
        publish(i);
        if (i < 4) held.push_back(hog.next());
        const auto f = other.next();
        ASSERT_NE(f, nullptr) << other.error();
        EXPECT_EQ(info_of(f).sequence, i);
        EXPECT_EQ(info_of(f).dropped, 0u);
    }
    EXPECT_EQ(hog.next(0), nullptr);
    EXPECT_EQ(hog.status, FF_TIMEOUT);
    EXPECT_THAT(hog.error(), HasSubstr("all 4 leases are held"));
    EXPECT_EQ(server->counts().told.no_lease, 46u);
    for (std::uint64_t i = 0; i < 4; ++i)
        expect_same(held[i], picture(i).view);

    held.erase(held.begin());
    publish(50);
    const auto f = hog.next();
    ASSERT_NE(f, nullptr) << hog.error();
    EXPECT_EQ(info_of(f).sequence, 50u);
    EXPECT_EQ(info_of(f).dropped, 46u);
    EXPECT_EQ(hog.stats().dropped, 46u);
}

TEST_F(share_test, the_leases_of_a_client_that_is_killed_come_home_and_the_source_goes_on) {
    test_client other(path);
    const std::size_t before_frames = devices.front()->pool().used_bytes();
    std::uint64_t sequence = 0;
    std::size_t after_first = 0;
    for (int round = 1; round <= 5; ++round) {
        auto victim = test::start_peer({"hold_frames", path.string()});
        ASSERT_OK(victim.to.receive(test::soon()));  // connected
        for (int i = 0; i < 6; ++i) {
            publish(sequence);
            const auto f = other.next();
            ASSERT_NE(f, nullptr) << other.error();
            EXPECT_EQ(info_of(f).sequence, sequence++);
        }
        ASSERT_OK(victim.to.receive(test::soon()));  // holds four
        EXPECT_EQ(server->counts().connected, 2u);
        victim.child.kill();
        ASSERT_TRUE(eventually([&] { return server->counts().connected == 1; }));
        EXPECT_EQ(server->counts().taken_back, 4u * round);
        if (round == 1) after_first = devices.front()->pool().used_bytes();
    }
    EXPECT_GT(after_first, before_frames);
    EXPECT_EQ(devices.front()->pool().used_bytes(), after_first) << "slots of the dead were not used again";
    EXPECT_EQ(server->counts().told.dropped(), 2u * 5);
}

TEST_F(share_test, frames_that_were_not_read_make_room_for_newer_ones) {
    test_client watcher(path, 4, FF_LATEST), recorder(path, 4, FF_FIFO);
    for (std::uint64_t i = 0; i < 10; ++i)
        publish(i);
    const auto newest = watcher.next();
    ASSERT_NE(newest, nullptr);
    EXPECT_EQ(info_of(newest).sequence, 9u);
    EXPECT_EQ(info_of(newest).dropped, 9u);
    expect_same(newest, picture(9).view);
    for (std::uint64_t i = 0; i < 4; ++i) {
        const auto f = recorder.next();
        ASSERT_NE(f, nullptr);
        EXPECT_EQ(info_of(f).sequence, i);
    }
    EXPECT_EQ(recorder.next(0), nullptr);
    EXPECT_EQ(recorder.status, FF_TIMEOUT);
    EXPECT_EQ(server->counts().told.overtaken, 6u);
    EXPECT_EQ(server->counts().told.no_lease, 6u);
}

TEST_F(share_test, frames_behind_the_one_that_woke_a_client_make_its_descriptor_readable) {
    test_client c(path, 4, FF_FIFO);
    for (std::uint64_t i = 0; i < 20; ++i) {
        std::thread source([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(i % 5));
            publish(2 * i);
            publish(2 * i + 1);
        });
        const auto first = c.next();
        source.join();
        ASSERT_NE(first, nullptr) << c.error();
        EXPECT_EQ(info_of(first).sequence, 2 * i);
        pollfd waiting{ff_client_descriptor(c.get()), POLLIN, 0};
        ASSERT_EQ(::poll(&waiting, 1, 5000), 1);
        const auto second = c.next(0);
        ASSERT_NE(second, nullptr) << c.error();
        EXPECT_EQ(info_of(second).sequence, 2 * i + 1);
    }
}

TEST_F(share_test, a_client_that_never_reads_does_not_hold_up_the_source) {
    test_client sleeper(path, 4, FF_LATEST), other(path);
    for (std::uint64_t i = 0; i < 3000; ++i) {
        publish(i, picture(0).view);
        ASSERT_NE(other.next(), nullptr) << other.error();
    }
    const auto c = server->counts();
    EXPECT_GT(c.told.not_reading, 0u);
    EXPECT_EQ(c.told.offered, 6000u);
    EXPECT_EQ(c.told.announced + c.told.no_lease + c.told.not_reading, 6000u);
    const auto f = sleeper.next();
    ASSERT_NE(f, nullptr) << sleeper.error();
    publish(3000, picture(0).view);
    const auto fresh = sleeper.next();
    ASSERT_NE(fresh, nullptr);
    EXPECT_EQ(info_of(fresh).sequence, 3000u);
    EXPECT_EQ(sleeper.stats().frames + sleeper.stats().dropped, 3001u);
}

TEST_F(share_test, slots_are_promised_to_one_client_each) {
    open("cpu", 7);
    test_client first(path), second(path);
    EXPECT_EQ(first.stats().leases, 4u);
    ASSERT_EQ(second.status, FF_OK) << second.error();
    EXPECT_EQ(second.stats().leases, 2u);
    test_client third(path);
    EXPECT_EQ(third.status, FF_E_REFUSED);
    EXPECT_THAT(third.error(), HasSubstr("--slots"));
    EXPECT_EQ(server->counts().refused, 1u);
    first.close();
    ASSERT_TRUE(eventually([&] { return server->counts().connected == 1; }));
    EXPECT_EQ(test_client(path).status, FF_OK);
}

TEST_F(share_test, frames_outlive_their_client_and_their_server) {
    auto c = std::make_unique<test_client>(path);
    publish(0);
    const auto first = c->next();
    c.reset();
    for (std::uint64_t i = 1; i < 20; ++i)
        publish(i);
    expect_same(first, picture(0).view);
    server.reset();
    expect_same(first, picture(0).view);
}

TEST_F(share_test, clients_are_told_of_the_end_after_the_last_frame) {
    test_client c(path);
    publish(0);
    server.reset();
    EXPECT_NE(c.next(), nullptr);
    EXPECT_EQ(c.next(), nullptr);
    EXPECT_EQ(c.status, FF_ENDED) << c.error();
    test_client late(path);
    EXPECT_EQ(late.status, FF_E_NOT_FOUND);
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(share_test, a_tensor_keeps_the_lease_until_its_deleter_is_called) {
    test_client c(path, 1);
    publish(0);
    auto f = c.next();
    DLManagedTensor* const chroma = ff_frame_plane_dlpack(f.get(), 1);
    ASSERT_NE(chroma, nullptr);
    EXPECT_EQ(ff_frame_plane_dlpack(f.get(), 2), nullptr);
    EXPECT_EQ(chroma->dl_tensor.data, plane_of(f, 1).data);
    ASSERT_EQ(chroma->dl_tensor.ndim, 3);
    EXPECT_EQ(chroma->dl_tensor.shape[0], 24);
    EXPECT_EQ(chroma->dl_tensor.shape[1], 32);
    EXPECT_EQ(chroma->dl_tensor.shape[2], 2);
    f.reset();
    publish(1);
    EXPECT_EQ(c.next(0), nullptr);
    EXPECT_EQ(c.stats().held, 1u);
    chroma->deleter(chroma);
    EXPECT_EQ(c.stats().held, 0u);
    publish(2);
    f = c.next();
    ASSERT_NE(f, nullptr);
    EXPECT_EQ(info_of(f).sequence, 2u);
    EXPECT_EQ(info_of(f).dropped, 1u);
}

std::size_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::size_t pages = 0, resident = 0;
    statm >> pages >> resident;
    return resident * 4096;
}

TEST_F(share_test, a_thousand_clients_leave_no_descriptor_and_no_memory) {
    const auto visit = [&](std::uint64_t i) {
        test_client c(path);
        ASSERT_EQ(c.status, FF_OK) << c.error();
        publish(i, picture(0).view);
        const auto f = c.next();
        ASSERT_NE(f, nullptr) << c.error();
    };
    const auto alone = [&] { return server->counts().connected == 0; };
    for (std::uint64_t i = 0; i < 50; ++i)
        visit(i);
    ASSERT_TRUE(eventually(alone));
    const std::size_t descriptors = test::open_descriptors(), used = devices.front()->pool().used_bytes();
    const std::size_t resident = resident_bytes();
    for (std::uint64_t i = 50; i < 1050; ++i)
        visit(i);
    ASSERT_TRUE(eventually(alone));
    EXPECT_TRUE(eventually([&] { return test::open_descriptors() == descriptors; }))
        << test::open_descriptors() << " after " << descriptors;
    EXPECT_LE(devices.front()->pool().used_bytes(), used);
    if (!test::sanitized) {
        EXPECT_LT(resident_bytes(), resident + (std::size_t{2} << 20));
    }
    EXPECT_EQ(server->counts().clients, 1050u);
    server.reset();
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(share_run, a_clip_is_shared_from_end_to_end_and_again) {
    const test::temporary_folder folder;
    share_request r;
    r.inputs = {media::testing_media::plain_video()};
    r.device.name = "cpu";
    r.socket = folder / "share.sock";
    r.once_connected = true;
    r.loop = true;
    r.fps = 2000;
    r.limit = 250;
    std::atomic<bool> stop{false};
    std::uint64_t got = 0, dropped = 0, last = 0;
    std::int64_t last_pts = -1;
    std::thread reader;
    const auto done = run_share(r, stop, [&](const std::filesystem::path& at) {
        reader = std::thread([&, at] {
            test_client c(at, 32);
            while (const auto f = c.next()) {
                const auto info = info_of(f);
                EXPECT_GT(info.pts_ns, last_pts);
                last_pts = info.pts_ns;
                EXPECT_EQ(info.sequence, last + (got > 0 ? 1 : 0) + info.dropped);
                last = info.sequence;
                dropped += info.dropped;
                ++got;
            }
            EXPECT_EQ(c.status, FF_ENDED) << c.error();
        });
    });
    reader.join();
    ASSERT_OK(done);
    EXPECT_EQ(done->counts.frames, 250u);
    EXPECT_EQ(done->counts.told.announced, got);
    EXPECT_LE(got + dropped, 250u);
    EXPECT_FALSE(std::filesystem::exists(r.socket));
}

}  // namespace
}  // namespace faceflow::internal::share
