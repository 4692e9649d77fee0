// SPDX-License-Identifier: Apache-2.0
// ZeroMQ: PUSH to PULL over ipc://, two messages under way at most. The frame is written into the message; the kernel copies it
// into the socket and out again.
#include <zmq.h>

#include "measure.hpp"

namespace {

using namespace handoff;

void* bounded_socket(void* context, int kind) {
    void* const s = zmq_socket(context, kind);
    const int most = 2, patience = 100, linger = 0;
    zmq_setsockopt(s, ZMQ_SNDHWM, &most, sizeof most);
    zmq_setsockopt(s, ZMQ_RCVHWM, &most, sizeof most);
    zmq_setsockopt(s, ZMQ_RCVTIMEO, &patience, sizeof patience);
    zmq_setsockopt(s, ZMQ_SNDTIMEO, &patience, sizeof patience);
    zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger);
    return s;
}

class pushing final : public sender {
public:
    explicit pushing(void* socket) : socket_(socket) {}
    bool send(const prepared& picture, std::uint64_t sequence) override {
        zmq_msg_t m;
        zmq_msg_init_size(&m, picture.pixels.size());
        picture.write(static_cast<std::byte*>(zmq_msg_data(&m)), sequence);
        if (zmq_msg_send(&m, socket_, 0) >= 0) return true;
        zmq_msg_close(&m);
        return false;
    }

private:
    void* socket_;
};

class pulling final : public receiver {
public:
    explicit pulling(void* socket) : socket_(socket) {}
    got next() override {
        zmq_msg_init(&message_);
        if (zmq_msg_recv(&message_, socket_, 0) < 0) {
            zmq_msg_close(&message_);
            return {};
        }
        const auto* const at = static_cast<const std::byte*>(zmq_msg_data(&message_));
        return {at, stamps_of(at)};
    }
    void release() override { zmq_msg_close(&message_); }

private:
    void* socket_;
    zmq_msg_t message_{};
};

}  // namespace

int main(int argc, char** argv) {
    const std::string address = "ipc:///tmp/faceflow-handoff-zeromq-" + std::to_string(::getpid());
    const int rc = run(
        argc, argv,
        [&](const order&, agreed&) -> std::unique_ptr<sender> {
            void* const s = bounded_socket(zmq_ctx_new(), ZMQ_PUSH);
            if (zmq_bind(s, address.c_str()) != 0) return nullptr;
            return std::make_unique<pushing>(s);
        },
        [&](const order&, agreed& with) -> std::unique_ptr<receiver> {
            with.wait_for(with.listening);
            void* const s = bounded_socket(zmq_ctx_new(), ZMQ_PULL);
            if (zmq_connect(s, address.c_str()) != 0) return nullptr;
            return std::make_unique<pulling>(s);
        });
    ::unlink(address.c_str() + sizeof("ipc://") - 1);
    return rc;
}
