// Inputs that come over the wire: downloads, endless streams, streams that break off, and being told to stop.
#include <atomic>
#include <csignal>
#include <thread>

#include "media/inventory.hpp"
#include "media_servers.hpp"
#include "media_testing.hpp"

namespace faceflow::media {
namespace {

using namespace std::chrono_literals;
using namespace testing_media;
using steady = std::chrono::steady_clock;

std::string transport_stream() {
    return read_bytes(make("live.ts", "-f lavfi -i testsrc2=s=160x120:r=25:d=2 -pix_fmt yuv420p -g 12 -bf 0"));
}

source_options impatient() {
    source_options options;
    options.read_timeout = 700ms;
    options.reconnect_for = 1500ms;
    return options;
}

TEST(media_live, a_lost_stream_is_reconnected_and_time_goes_on) {
    const endless_server server(transport_stream(), endless_server::then::hang_up, 3);
    const auto opened = open_or_fail(server.address(), impatient());
    ASSERT_TRUE(opened);
    EXPECT_TRUE(opened->info().live);
    const auto started = steady::now();
    const everything read = read_all(*opened);
    EXPECT_LT(steady::now() - started, 8s);
    EXPECT_EQ(opened->survived().at("reconnect"), 2U);
    EXPECT_GT(read.frames.size(), 130U);
    for (std::size_t i = 1; i < read.frames.size(); ++i) {
        EXPECT_EQ(read.frames[i].frame.id.sequence, i);
        EXPECT_LT(read.frames[i - 1].frame.pts_ns, read.frames[i].frame.pts_ns);
    }
    ASSERT_EQ(read.errors.size(), 1U);
    EXPECT_EQ(read.errors[0].code, errc::io);
    EXPECT_NE(read.errors[0].message.find("did not come back"), std::string::npos) << read.errors[0].message;
    const auto again = opened->next();
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, errc::io);
}

TEST(media_live, a_camera_that_speaks_rtsp_is_lost_and_comes_back) {
    const rtsp_server camera(transport_stream(), rtsp_server::transport::tcp, 2);
    const auto opened = open_or_fail(camera.address(), impatient());
    ASSERT_TRUE(opened);
    EXPECT_TRUE(opened->info().live);
    const everything read = read_all(*opened);
    EXPECT_EQ(opened->survived().at("reconnect"), 1U);
    EXPECT_GT(read.frames.size(), 80U);
    for (std::size_t i = 1; i < read.frames.size(); ++i)
        EXPECT_LT(read.frames[i - 1].frame.pts_ns, read.frames[i].frame.pts_ns);
    ASSERT_EQ(read.errors.size(), 1U);
    EXPECT_NE(read.errors[0].message.find("did not come back"), std::string::npos) << read.errors[0].message;
    EXPECT_EQ(camera.refused(), 0) << "TCP, which loses nothing, is asked for first";
}

TEST(media_live, a_camera_that_has_udp_alone_is_read_over_that) {
    const rtsp_server camera(transport_stream(), rtsp_server::transport::udp, 1);
    const auto opened = open_or_fail(camera.address(), impatient());
    ASSERT_TRUE(opened);
    EXPECT_GT(read_all(*opened).frames.size(), 40U);
    EXPECT_EQ(camera.refused(), 1);
}

TEST(media_live, a_stream_that_falls_silent_counts_as_lost) {
    const endless_server server(transport_stream(), endless_server::then::fall_silent, 1);
    const auto opened = open_or_fail(server.address(), impatient());
    ASSERT_TRUE(opened);
    const auto started = steady::now();
    const everything read = read_all(*opened);
    EXPECT_GT(read.frames.size(), 40U);
    EXPECT_EQ(read.errors.size(), 1U);
    EXPECT_LT(steady::now() - started, 6s);
}

TEST(media_live, interrupt_wakes_a_blocked_read) {
    const endless_server server(transport_stream(), endless_server::then::fall_silent, 1);
    source_options patient;
    patient.read_timeout = 60s;
    const auto opened = open_or_fail(server.address(), patient);
    ASSERT_TRUE(opened);
    std::atomic<steady::time_point> asked{steady::time_point()};
    std::jthread stopper([&] {
        std::this_thread::sleep_for(400ms);
        asked = steady::now();
        opened->interrupt();
    });
    const everything read = read_all(*opened);
    EXPECT_LT(steady::now() - asked.load(), 1s);
    ASSERT_EQ(read.errors.size(), 1U);
    EXPECT_EQ(read.errors[0].code, errc::interrupted);
    const auto again = opened->next();
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, errc::interrupted);
}

TEST(media_live, interrupt_wakes_the_wait_between_two_attempts) {
    const endless_server server(transport_stream(), endless_server::then::hang_up, 1);
    const auto opened = open_or_fail(server.address(), {});
    ASSERT_TRUE(opened);
    std::atomic<steady::time_point> asked{steady::time_point()};
    std::jthread stopper([&] {
        std::this_thread::sleep_for(1500ms);
        asked = steady::now();
        opened->interrupt();
    });
    const everything read = read_all(*opened);
    EXPECT_LT(steady::now() - asked.load(), 500ms);
    ASSERT_EQ(read.errors.size(), 1U);
    EXPECT_EQ(read.errors[0].code, errc::interrupted);
}

TEST(media_live, a_server_that_never_answers_times_out) {
    const endless_server server("", endless_server::then::fall_silent, 1);
    const auto started = steady::now();
    const auto opened = open_source(server.address(), impatient());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, errc::timeout) << opened.error().message;
    EXPECT_LT(steady::now() - started, 3s);
}

TEST(media_http, a_file_of_known_length_is_a_download_and_no_live_stream) {
    plain_video();
    const std::string log = at("server.log");
    const std::string server = "cd '" + folder().string() +
                               "' && exec python3 -u -m http.server 0 --bind 127.0.0.1 >'" + log + "' 2>&1 & echo $!";
    const pid_t pid = std::stoi(output_of(server));
    std::string port;
    for (int i = 0; i < 100 && port.empty(); ++i) {
        std::this_thread::sleep_for(50ms);
        const std::string said = read_bytes(log);
        if (const auto found = said.find(" port "); found != std::string::npos) {
            port = said.substr(found + 6, said.find(' ', found + 6) - found - 6);
        }
    }
    const std::string address = "http://127.0.0.1:" + port + "/";
    if (const auto opened = open_or_fail(address + "plain.mp4")) {
        EXPECT_FALSE(opened->info().live);
        EXPECT_EQ(read_all(*opened).frames.size(), 100U);
    }
    const auto missing = open_source(address + "none.mp4", {});
    EXPECT_FALSE(missing);
    if (!missing) {
        EXPECT_EQ(missing.error().code, errc::not_found) << missing.error().message;
        EXPECT_NE(missing.error().message.find("404"), std::string::npos);
    }
    kill(pid, SIGTERM);
}

TEST(media_inventory, says_what_this_machine_has) {
    EXPECT_FALSE(ffmpeg_version().empty());
    EXPECT_NO_THROW(static_cast<void>(hardware_decoders()));
    for (const camera& found : list_cameras())
        EXPECT_TRUE(found.path.starts_with("/dev/video"));
}

}  // namespace
}  // namespace faceflow::media
