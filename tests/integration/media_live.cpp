// SPDX-License-Identifier: Apache-2.0
// Inputs that come over the wire: downloads, endless streams, streams that break off, and being told to stop.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <map>
#include <thread>
#include <vector>

#include "media/inventory.hpp"
#include "media_servers.hpp"
#include "media_testing.hpp"

namespace faceflow::internal::media {
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
    options.live = true;
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
    source_options live;
    live.live = true;
    const auto opened = open_or_fail(server.address(), live);
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

// Half a second each, as one recording.
std::vector<std::string> segments(int count) {
    const double all = 0.5 * count;
    const std::string list =
        make("segments" + std::to_string(count) + "/list.m3u8",
             "-f lavfi -i testsrc2=s=160x120:r=20:d=" + std::to_string(all) +
                 " -pix_fmt yuv420p -g 10 -bf 0 -f hls -hls_time 0.5 -hls_list_size 0 -hls_segment_filename " +
                 at("segments" + std::to_string(count) + "_%d.ts"));
    static_cast<void>(list);
    std::vector<std::string> all_bytes;
    for (int i = 0; i < count; ++i)
        all_bytes.push_back(read_bytes(at("segments" + std::to_string(count) + "_" + std::to_string(i) + ".ts")));
    return all_bytes;
}

void expect_each_frame_once(const everything& read, std::size_t frames) {
    EXPECT_TRUE(read.errors.empty()) << read.errors.front().message;
    ASSERT_EQ(read.frames.size(), frames);
    for (std::size_t i = 0; i < frames; ++i)
        EXPECT_NEAR(seconds(read.frames[i]), 0.05 * static_cast<double>(i), 0.001) << i;
}

TEST(media_playlist, one_that_grows_is_live_and_ends_when_it_says_so) {
    const playlist_server server(segments(10), 0.5, 3);
    const auto opened = open_or_fail(server.address());
    ASSERT_TRUE(opened);
    EXPECT_TRUE(opened->info().live);
    EXPECT_FALSE(opened->info().frames);
    expect_each_frame_once(read_all(*opened), 100);
    EXPECT_FALSE(opened->survived().contains("reconnect"));
}

TEST(media_playlist, an_outage_costs_no_frame_that_is_still_there_afterwards) {
    const playlist_server server(segments(14), 0.5, 3, 1.2, 4.2);
    const auto opened = open_or_fail(server.address());
    ASSERT_TRUE(opened);
    expect_each_frame_once(read_all(*opened), 140);
}

TEST(media_playlist, one_that_ended_meanwhile_is_read_to_its_end) {
    const playlist_server server(segments(10), 0.5, 3, 1.2, 4.8);
    const auto opened = open_or_fail(server.address());
    ASSERT_TRUE(opened);
    expect_each_frame_once(read_all(*opened), 100);
}

TEST(media_playlist, a_whole_one_is_a_recording) {
    const playlist_server server(segments(10), 0.5, 10);
    const auto opened = open_or_fail(server.address());
    ASSERT_TRUE(opened);
    EXPECT_FALSE(opened->info().live);
    expect_each_frame_once(read_all(*opened), 100);
}

TEST(media_http, a_recording_without_a_length_is_asked_for_once_and_ends) {
    const std::string body = transport_stream();
    const std::string mkv =
        read_bytes(make("stream.mkv", "-f lavfi -i testsrc2=s=160x120:r=25:d=2 -pix_fmt yuv420p -live 1"));
    const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    std::array<char, 16> size{};
    std::snprintf(size.data(), size.size(), "%zx\r\n", body.size());
    const std::map<std::string, std::string> answers = {
        {"closed at the end", "HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + body},
        {"in ranges, but of unknown length",
         "HTTP/1.1 200 OK\r\nConnection: close\r\nAccept-Ranges: bytes\r\n\r\n" + body},
        {"Matroska", "HTTP/1.0 200 OK\r\nContent-Type: video/x-matroska\r\n\r\n" + mkv},
        {"chunked", chunked + size.data() + body + "\r\n0\r\n\r\n"}};
    for (const auto& [what, answer] : answers) {
        const http_server server([&answer = answer](const std::string&) { return answer; });
        const auto opened = open_or_fail(server.address("/clip"));
        ASSERT_TRUE(opened) << what;
        EXPECT_FALSE(opened->info().live) << what;
        const everything read = read_all(*opened);
        EXPECT_EQ(read.frames.size(), 50U) << what;
        EXPECT_TRUE(read.errors.empty()) << what << read.errors.front().message;
        EXPECT_EQ(server.requests(), 1) << what;
        EXPECT_TRUE(opened->survived().empty()) << what;
    }
}

TEST(media_live, says_that_a_camera_is_lost_and_back) {
    const endless_server server(transport_stream(), endless_server::then::hang_up, 2);
    source_options options = impatient();
    std::vector<std::string> notes;
    options.note = [&](const std::string& line) { notes.push_back(line); };
    const auto opened = open_or_fail(server.address(), options);
    ASSERT_TRUE(opened);
    static_cast<void>(read_all(*opened));
    ASSERT_GE(notes.size(), 2U);
    EXPECT_NE(notes[0].find("was lost"), std::string::npos) << notes[0];
    EXPECT_NE(notes[1].find("is back"), std::string::npos) << notes[1];
}

TEST(media_live, a_password_is_in_no_message) {
    for (const std::string address :
         {"rtsp://user:hush123@127.0.0.1:1/cam?token=hush123", "http://user:hush123@127.0.0.1:1/?password=hush123"}) {
        const auto opened = open_source(address, impatient());
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().message.find("hush123"), std::string::npos) << opened.error().message;
        EXPECT_NE(opened.error().message.find("127.0.0.1"), std::string::npos) << opened.error().message;
    }
}

TEST(media_realtime, recorded_frames_come_when_their_time_has_come) {
    source_options options;
    options.realtime = true;
    const auto opened = open_or_fail(make("short.mp4", "-f lavfi -i testsrc2=s=160x120:r=25:d=1"), options);
    ASSERT_TRUE(opened);
    EXPECT_TRUE(opened->info().live);
    steady::time_point first;
    for (int i = 0;; ++i) {
        const auto read = opened->next();
        ASSERT_TRUE(read);
        if (!*read) break;
        if (i == 0) first = (*read)->frame.captured;
        EXPECT_GE((*read)->frame.captured - first, std::chrono::nanoseconds((*read)->frame.pts_ns) - 1ms) << i;
    }
}

TEST(media_inventory, says_what_this_machine_has) {
    EXPECT_FALSE(ffmpeg_version().empty());
    EXPECT_NO_THROW(static_cast<void>(hardware_decoders()));
    for (const camera& found : list_cameras())
        EXPECT_TRUE(found.path.starts_with("/dev/video"));
}

}  // namespace
}  // namespace faceflow::internal::media
