// weft: coroutine-first networking. SPDX-License-Identifier: BSL-1.0
#include "socket_file.hpp"

#include "unix_address.hpp"
#include <weft/core/failure.hpp>

#include <cerrno>

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weft::net::detail {

namespace {

[[noreturn]] void fail(int error, const std::string& path, const char* what) {
    const std::string address = to_string(unix_endpoint{path});
    throw failure::from(boost::system::error_code(error, boost::system::system_category()),
                        "cannot listen on " + address + what)
        .with("address", address);
}

/// 0, or an errno.
int bind_to(int socket, const std::string& path) {
    const unix_address a(unix_endpoint{path});
    return ::bind(socket, a.data(), a.length) == 0 ? 0 : errno;
}

enum class found : unsigned char { nothing, stale, in_use, no_socket };

/// Who is at `path`: asked by a connect that does not wait.
found look_at(const std::string& path, int type) {
    struct stat st{};
    if (::lstat(path.c_str(), &st) != 0) return found::nothing;
    if (!S_ISSOCK(st.st_mode)) return found::no_socket;
    const file_descriptor probe(::socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!probe) return found::in_use;
    const unix_address a(unix_endpoint{path});
    if (::connect(probe.get(), a.data(), a.length) == 0) return found::in_use;
    switch (errno) {
        case ECONNREFUSED:
            return found::stale;
        case ENOENT:
            return found::nothing;
        default:
            return found::in_use;  // EAGAIN: a full queue; EACCES, EPROTOTYPE: another's
    }
}

/// One starting server at a time in a directory: so none takes another's socket for a stale one
/// between its bind and its listen. An advisory lock on the directory itself, which leaves no file
/// behind; where the directory cannot be read, or somebody sits on the lock, we go on without.
file_descriptor lock_directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "."
                                  : slash == 0               ? "/"
                                                             : path.substr(0, slash);
    file_descriptor lock(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int i = 0; lock && i < 1000; ++i) {
        if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) break;
        ::sched_yield();  // it is held for four system calls
    }
    return lock;
}

}  // namespace

socket_file::socket_file(int socket, const std::string& path, int backlog,
                         const socket_file_options& options)
    : path_(path) {
    // bind makes the file with the permissions of the socket's own inode, less the umask; nobody
    // can connect before listen, so the rest may be granted after.
    if (::fchmod(socket, static_cast<mode_t>(options.permissions)) != 0) fail(errno, path, "");
    const file_descriptor lock = lock_directory_of(path);
    int error = bind_to(socket, path);
    if (error == EADDRINUSE && options.replace_stale) {
        switch (look_at(path, backlog == no_backlog ? SOCK_DGRAM : SOCK_STREAM)) {
            case found::in_use:
                fail(EADDRINUSE, path, ": a server answers there");
            case found::no_socket:
                fail(EADDRINUSE, path, ": there is a file that is no socket");
            case found::stale:
                if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail(errno, path, "");
                break;
            case found::nothing:
                break;
        }
        error = bind_to(socket, path);
    }
    if (error) fail(error, path, "");
    struct stat st{};
    if (::lstat(path.c_str(), &st) != 0) fail(errno, path, "");
    device_ = st.st_dev;
    inode_ = st.st_ino;
    ours_ = options.remove;
    if (::chmod(path.c_str(), static_cast<mode_t>(options.permissions)) != 0 ||
        (backlog != no_backlog && ::listen(socket, backlog) != 0)) {
        const int refused = errno;
        remove();
        fail(refused, path, "");
    }
}

socket_file::socket_file(const std::string& path) : path_(path) {
    struct stat st{};
    if (::lstat(path.c_str(), &st) != 0 || !S_ISSOCK(st.st_mode)) return;
    device_ = st.st_dev;
    inode_ = st.st_ino;
}

void socket_file::remove() noexcept {
    if (!ours_.exchange(false)) return;
    struct stat st{};
    if (::lstat(path_.c_str(), &st) == 0 && st.st_dev == device_ && st.st_ino == inode_)
        ::unlink(path_.c_str());
}

}  // namespace weft::net::detail
