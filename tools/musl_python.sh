#!/bin/sh
# Debian's CPython source built against musl, as an image: a tree with nothing of glibc in it, for `terrarium run --image`.
#
#     tools/musl_python.sh TO.tar
#
# Needs musl-tools and apt-get's source packages (a list of its own names them, the machine's lists stay as they are). Takes some
# minutes; what is built stays in build/musl.
set -eu
case $1 in /*) to=$1 ;; *) to=$(pwd)/$1 ;; esac
work=$(pwd)/build/musl
version=3.11
mkdir -p "$work/lists/partial"
cd "$work"

if [ ! -d source ]; then
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main" >sources.list
    sources="-o Dir::Etc::sourcelist=$work/sources.list -o Dir::Etc::sourceparts=/nonexistent -o Dir::State::lists=$work/lists"
    apt-get -qq $sources -o APT::Sandbox::User=root update
    apt-get -qq $sources -o APT::Sandbox::User=root source --download-only python$version
    mkdir source.new
    tar xzf python${version}_*.orig.tar.gz -C source.new --strip-components=1
    mv source.new source
fi

# CPython asks the compiler and dpkg for Debian's directories, which are glibc's.
mkdir -p bin
cat >bin/cc <<'END'
#!/bin/sh
case "$1" in -print-multiarch | --print-multiarch) exit 0 ;; esac
exec musl-gcc "$@"
END
printf '#!/bin/sh\nexit 1\n' >bin/dpkg-architecture
chmod +x bin/*
PATH=$work/bin:$PATH

cd source
[ -f Makefile ] || ./configure -q CC="$work/bin/cc" CFLAGS=-O1 --prefix=/usr/local --without-ensurepip --disable-test-modules >../configure.log
make -s -j"$(nproc)" >../make.log 2>&1
rm -rf ../tree
make -s install DESTDIR="$work/tree" >../install.log 2>&1

cd ../tree
mkdir -p lib
cp -L /lib/ld-musl-x86_64.so.1 lib/
rm -rf usr/local/lib/*.a usr/local/lib/python$version/config-* usr/local/lib/python$version/test usr/local/share
strip usr/local/bin/python$version
tar cf "$to.new" .
mv "$to.new" "$to"
