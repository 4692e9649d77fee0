// SPDX-License-Identifier: Apache-2.0
// faceflow's own: frames published by the server of `faceflow share`, taken through faceflow-client.
//   shared_slots [anticipating] ...   (then as in measure.hpp); anticipating: the client is awake when a frame is due
#include <cstdio>
#include <filesystem>

#include "device/cpu/cpu_device.hpp"
#include "faceflow/client.h"
#include "frame/layout.hpp"
#include "measure.hpp"
#include "share/share_server.hpp"

namespace {

using namespace handoff;

// Of this run; its folder goes with it.
class private_folder {
public:
    private_folder() {
        std::string name = std::filesystem::temp_directory_path() / "faceflow-handoff-XXXXXX";
        if (::mkdtemp(name.data()) != nullptr) path_ = name;
    }
    private_folder(const private_folder&) = delete;
    ~private_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::filesystem::path socket() const { return path_ / "share.sock"; }

private:
    std::filesystem::path path_;
};

class sharing final : public sender {
public:
    explicit sharing(std::unique_ptr<faceflow::internal::device> on) : on_(std::move(on)) {}
    bool open(const std::filesystem::path& socket) {
        faceflow::internal::share::server_options o;
        o.socket = socket;
        o.slots = 16;
        auto server = faceflow::internal::share::share_server::open(*on_, o);
        if (!server) std::fprintf(stderr, "handoff: %s\n", server.error().message.c_str());
        if (server) server_ = std::move(*server);
        return server_ != nullptr;
    }
    // The server writes the pixels into the slot itself, as it does those of a decoder, and notes when it was through.
    bool send(const prepared& picture, std::uint64_t sequence) override {
        faceflow::image p;
        p.format = picture.form.bgr ? faceflow::pixel_format::bgr24 : faceflow::pixel_format::nv12;
        p.width = picture.form.width;
        p.height = picture.form.height;
        faceflow::internal::host_frame f;
        f.id = {0, sequence};
        f.picture = faceflow::internal::packed_at(p, picture.pixels.data());
        f.captured = std::chrono::steady_clock::now();
        return server_->publish(f).has_value();
    }

private:
    std::unique_ptr<faceflow::internal::device> on_;
    std::unique_ptr<faceflow::internal::share::share_server> server_;
};

class attached final : public receiver {
public:
    explicit attached(ff_client* c) : client_(c) {}
    ~attached() override { ff_client_close(client_); }
    got next() override {
        if (ff_next(client_, 100, &frame_) != FF_OK) return {};
        ff_frame_info info{};
        ff_plane plane{};
        ff_frame_get_info(frame_, &info, sizeof info);
        ff_frame_get_plane(frame_, 0, &plane, sizeof plane);
        return {static_cast<const std::byte*>(plane.data), {info.sequence, info.captured_ns, info.announced_ns}};
    }
    void release() override { ff_frame_release(frame_); }

private:
    ff_client* client_;
    ff_frame* frame_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
    const bool anticipating = argc > 1 && std::string(argv[1]) == "anticipating";
    const int own = anticipating ? 1 : 0;
    const private_folder folder;
    return run(
        argc - own, argv + own,
        [&](const order&, agreed&) {
            auto s = std::make_unique<sharing>(faceflow::internal::make_cpu_device(std::size_t{1} << 30));
            if (!s->open(folder.socket())) s = nullptr;
            return s;
        },
        [&](const order&, agreed& with) -> std::unique_ptr<attached> {
            with.wait_for(with.listening);
            ff_client* const c = ff_client_new();
            ff_options o{};
            o.policy = FF_FIFO;
            o.anticipate = anticipating ? 1 : 0;
            if (ff_client_connect(c, folder.socket().c_str(), &o) == FF_OK) return std::make_unique<attached>(c);
            std::fprintf(stderr, "handoff: %s\n", ff_last_error(c));
            return nullptr;
        });
}
