// SPDX-License-Identifier: Apache-2.0
// What tests of shared frames have in common: a server with its device, frames to publish, and clients.
#pragma once

#include <gmock/gmock.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/open_devices.hpp"
#include "faceflow/client.h"
#include "peer.hpp"
#include "share/share_server.hpp"
#include "support.hpp"

namespace faceflow::internal::share::testing_share {

// Of the client library, released when it goes.
struct frame_closer {
    void operator()(ff_frame* f) const { ff_frame_release(f); }
};
using held_frame = std::unique_ptr<ff_frame, frame_closer>;

struct client_closer {
    void operator()(ff_client* c) const { ff_client_close(c); }
};

class test_client {
public:
    explicit test_client(const std::filesystem::path& path, std::uint32_t leases = 4, std::uint32_t policy = FF_FIFO,
                         std::uint32_t anticipate = 0)
        : client_(ff_client_new()) {
        ff_options options{};
        options.anticipate = anticipate;
        options.leases = leases;
        options.policy = policy;
        status = ff_client_connect(client_.get(), path.c_str(), &options);
    }
    // The next frame; null with `status` telling why.
    held_frame next(int timeout_ms = 5000) {
        ff_frame* f = nullptr;
        status = ff_next(client_.get(), timeout_ms, &f);
        return held_frame(f);
    }
    std::string error() const { return ff_last_error(client_.get()); }
    ff_stats stats() const {
        ff_stats s{};
        ff_client_get_stats(client_.get(), &s, sizeof s);
        return s;
    }
    ff_client* get() const { return client_.get(); }
    void close() { client_.reset(); }

    int status = FF_OK;

private:
    std::unique_ptr<ff_client, client_closer> client_;
};

inline ff_frame_info info_of(const held_frame& f) {
    ff_frame_info i{};
    EXPECT_EQ(ff_frame_get_info(f.get(), &i, sizeof i), FF_OK);
    return i;
}

inline ff_plane plane_of(const held_frame& f, std::uint32_t plane) {
    ff_plane p{};
    EXPECT_EQ(ff_frame_get_plane(f.get(), plane, &p, sizeof p), FF_OK);
    return p;
}

// Expects the frame to be this picture, byte for byte.
inline void expect_same(const held_frame& f, const image& picture) {
    const auto info = info_of(f);
    ASSERT_EQ(info.format, name(picture.format));
    ASSERT_EQ(info.width, picture.width);
    ASSERT_EQ(info.height, picture.height);
    for (std::uint32_t i = 0; i < info.planes; ++i) {
        const auto extent = extent_of(picture.format, picture.width, picture.height, static_cast<int>(i));
        const ff_plane p = plane_of(f, i);
        ASSERT_EQ(p.height, extent.rows);
        ASSERT_EQ(static_cast<std::size_t>(p.width * p.channels * p.bytes_per_sample), extent.row_bytes);
        for (int row = 0; row < p.height; ++row) {
            ASSERT_EQ(
                std::memcmp(static_cast<const char*>(p.data) + std::ptrdiff_t{row} * p.stride,
                            picture.planes[i].data + std::ptrdiff_t{row} * picture.planes[i].stride, extent.row_bytes),
                0)
                << "frame " << info.sequence << " plane " << i << " row " << row;
        }
    }
}

class share_test : public testing::Test {
protected:
    void SetUp() override { open("cpu"); }
    void TearDown() override { server.reset(); }

    void open(const std::string& device_name, std::size_t slots = 64, std::uint32_t sources = 1) {
        server.reset();
        devices = open_devices({device_name, std::size_t{64} << 20, "none"}).value();
        server_options o;
        o.socket = path;
        o.slots = slots;
        o.sources = sources;
        auto opened = share_server::open(*devices.front(), o);
        ASSERT_OK(opened);
        server = std::move(*opened);
    }
    // A frame of which every byte depends on its sequence.
    test::owned_picture picture(std::uint64_t sequence, std::int32_t width = 64, std::int32_t height = 48) const {
        return test::random_picture(pixel_format::nv12, width, height, static_cast<std::uint32_t>(sequence));
    }
    void publish(std::uint64_t sequence, const image& view, std::uint32_t source = 0) {
        host_frame f;
        f.id = {source, sequence};
        f.picture = view;
        f.pts_ns = static_cast<std::int64_t>(sequence) * 1'000'000;
        f.captured = std::chrono::steady_clock::now();
        EXPECT_OK(server->publish(f));
    }
    void publish(std::uint64_t sequence) { publish(sequence, picture(sequence).view); }
    template <class Condition>
    bool eventually(Condition holds) const {
        const auto deadline = test::soon();
        while (!holds()) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return true;
    }

    const test::temporary_folder folder;
    const std::filesystem::path path = folder / "share.sock";
    std::vector<std::unique_ptr<device>> devices;
    std::unique_ptr<share_server> server;
};

}  // namespace faceflow::internal::share::testing_share
